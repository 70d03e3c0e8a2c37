"""The same file gives the same bytes in training, on the host and on the board."""

import io

import numpy as np
import pytest
from finnspect_driver.images import Batcher
from PIL import Image

from quant_models.datasets import load_dataset

GREY = {"color": "grey", "height": 8, "width": 8, "resize": "area", "scale": 1 / 255}


def _pictures():
    random = np.random.default_rng(3)
    rgba = random.integers(0, 256, (20, 24, 4), dtype=np.uint8)
    deep = random.integers(0, 65536, (20, 24), dtype=np.uint16)
    return {
        "alpha.png": Image.fromarray(rgba),
        "colour.jpg": Image.fromarray(rgba[..., :3]),
        "deep.png": Image.fromarray(deep),
        "palette.png": Image.fromarray(rgba[..., :3]).convert("P"),
        "grey.png": Image.fromarray(rgba[..., 0]),
    }


@pytest.mark.parametrize("name", sorted(_pictures()))
def test_training_and_board_see_the_same_bytes(tmp_path, name):
    from finnspect.package import Preprocessing

    buffer = io.BytesIO()
    _pictures()[name].save(buffer, "JPEG" if name.endswith("jpg") else "PNG")
    for label in ("a", "b"):
        (tmp_path / "set" / label).mkdir(parents=True)
    (tmp_path / "set" / "a" / name).write_bytes(buffer.getvalue())
    Image.fromarray(np.eye(20, dtype=np.uint8) * 200).save(tmp_path / "set" / "b" / "other.png")

    dataset = load_dataset("image-folder", tmp_path / "set", Preprocessing(**GREY), tmp_path / "cache")
    trained = dataset.images[[source.endswith(name) for source in dataset.sources].index(True)]
    on_board = Batcher(GREY, (8, 8, 1)).prepare(tmp_path / "set" / "a" / name, 0)
    assert np.array_equal(trained, on_board)
