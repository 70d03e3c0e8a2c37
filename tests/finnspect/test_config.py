"""Build configurations and names."""

import pytest
from finnspect import config
from finnspect.board import list_boards
from finnspect.config import BuildConfig, find_package, load_config, unknown_name
from finnspect.errors import ConfigError


def test_a_pair_without_a_file_gets_the_defaults():
    assert load_config("nothing_w1a1", "no-board") == BuildConfig()


def test_every_configuration_of_the_repository_is_valid_and_named_after_a_board():
    files = sorted(config.CONFIGS_DIR.glob("*.toml"))
    for file in files:
        load_config("", "", file)
        assert file.stem.rpartition("_")[2] in list_boards(), file


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("target_cycle = 5", "unknown field", "target_cycles"),
        ("target_cycles = 0", "target_cycles", "correct"),
        ("target_cycles = 'many'", "target_cycles", "correct"),
        ("target_cycles = 5\n[folding.conv]\nPE = 1", "give one of", "correct"),
        ("[folding.conv]\nPA = 1", "folding.conv.PA", "correct"),
        ("clock_mhz = -1", "clock_mhz", "correct"),
        ("target_cycles = ", "is not TOML", "see"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_field(tmp_path, text, message, remedy):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config("m", "b", file)
    assert "mine.toml" in caught.value.message and remedy in caught.value.remedy


def test_a_named_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no_such"):
        load_config("m", "b", tmp_path / "no_such.toml")


def test_an_unknown_name_gets_the_nearest_ones():
    error = unknown_name("board", "ulx3s", ["ulx3s-85f", "pynq-z2"])
    assert "'ulx3s'" in error.message
    assert "did you mean ulx3s-85f?" in error.remedy and "pynq-z2" in error.remedy
    assert unknown_name("board", "zzz", ["a", "b"]).remedy == "known: a, b"


def test_a_package_is_found_by_path_and_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "PACKAGES_DIR", tmp_path)
    (tmp_path / "cnv_w4a4-synthetic").mkdir()
    (tmp_path / "cnv_w4a4-synthetic" / "package.json").write_text("{}")
    assert find_package("cnv_w4a4-synthetic") == tmp_path / "cnv_w4a4-synthetic"
    assert find_package(str(tmp_path)) == tmp_path
    with pytest.raises(ConfigError, match="unknown package") as caught:
        find_package("cnv_w4a4-syntetic")
    assert "cnv_w4a4-synthetic" in caught.value.remedy
