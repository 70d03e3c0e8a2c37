"""Build configurations: one TOML file a (model, board) pair, with defaults for models without a file."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from finnspect.errors import ConfigError
from finnspect.paths import CONFIGS_DIR, PACKAGES_DIR

DEFAULT_PACKAGE = "cnv_w4a4-synthetic"
DEFAULT_MODEL = "cnv_w4a4"
DEFAULT_BOARD = "ulx3s-85f"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BuildConfig(_Strict):
    """Contents of ``build/configs/<model>_<board>.toml``; every field has a default.

    Without target and folding, the fastest folding that the board holds is searched for.
    """

    target_cycles: int | None = Field(
        default=None, ge=1, description="clock cycles a frame that the folding search aims for"
    )
    target_fps: float | None = Field(
        default=None, gt=0, description="frames a second that the cheapest folding is searched for"
    )
    folding: dict[str, dict[Literal["PE", "SIMD"], int]] | None = Field(
        default=None,
        description="PE and SIMD of every layer, by its name or FINN's, instead of a target",
    )
    clock_mhz: float | None = Field(
        default=None, gt=0, le=500, description="clock to meet; the board's own where absent"
    )
    seed: int = Field(default=1, ge=0, description="seed of place and route")
    golden_images: int | None = Field(
        default=None, ge=1, description="golden images to simulate; all of the package's where absent"
    )

    @model_validator(mode="after")
    def _one_way(self) -> BuildConfig:
        if sum(each is not None for each in (self.target_cycles, self.target_fps, self.folding)) > 1:
            raise ValueError("give one of target_cycles, target_fps and folding")
        return self

    def with_goal(
        self, folding: dict[str, dict[str, int]] | None = None, target_fps: float | None = None
    ) -> BuildConfig:
        """Return the configuration with another folding or target in place of its own, where one is given."""
        if folding is None and target_fps is None:
            return self
        goal = {"folding": folding, "target_fps": target_fps, "target_cycles": None}
        return self.model_copy(update=goal)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Return the error for a name that is not one of ``known``, with the nearest ones as the remedy."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        remedy = f"did you mean {' or '.join(near)}?"
        if len(names) > len(near):
            remedy += f" (known: {', '.join(names)})"
    else:
        remedy = f"known: {', '.join(names)}" if names else f"there is no {kind} yet"
    return ConfigError(f"unknown {kind} {name!r}", remedy)


def config_path(model: str, board: str) -> Path:
    """Return where the configuration of a (model, board) pair is, whether or not it exists."""
    return CONFIGS_DIR / f"{model}_{board}.toml"


def load_config(model: str, board: str, path: Path | None = None) -> BuildConfig:
    """Read the configuration of a model on a board.

    Parameters
    ----------
    model, board
        Names; a pair without a file gets the defaults.
    path
        A file to read instead.

    Raises
    ------
    ConfigError
        The file is missing (when asked for by name), is not TOML, or holds a field that is not valid.
    """
    if path is None:
        path = config_path(model, board)
        if not path.is_file():
            return BuildConfig()
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(
            f"cannot read configuration {path}: {error.strerror}", "check the path after --config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", f"see {config_path('cnv_w4a4', board)}") from error
    return _validate(document, path)


def _validate(document: dict[str, Any], path: Path) -> BuildConfig:
    try:
        return BuildConfig.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        if first["type"] == "extra_forbidden":
            raise unknown_name(f"field in {path}:", where, BuildConfig.model_fields) from error
        raise ConfigError(
            f"{path}: {where}: {first['msg']}, got {first['input']!r}", "correct the value"
        ) from error


def list_packages() -> list[str]:
    """Return the names of the packages that the repository ships."""
    return sorted(path.parent.name for path in PACKAGES_DIR.glob("*/package.json"))


def find_package(name: str) -> Path:
    """Return the folder of a package given by path, or by the name of one that is shipped.

    Raises
    ------
    ConfigError
        It is neither.
    """
    path = Path(name)
    if path.exists() or "/" in name:
        return path
    if name not in list_packages():
        raise unknown_name("package", name, list_packages())
    return PACKAGES_DIR / name
