"""The same file gives the same bytes in training, on the host and on the board."""

import io

import numpy as np
import pytest
from finnspect.config import DEFAULT_PACKAGE
from finnspect.images import read_images
from finnspect.package import ModelPackage, Preprocessing
from finnspect.paths import PACKAGES_DIR
from finnspect_driver.images import Batcher
from PIL import Image

from quant_models.datasets import load_dataset

GREY = {"color": "grey", "height": 8, "width": 8, "resize": "area", "scale": 1 / 255}
RGB = {**GREY, "color": "rgb", "height": 11, "width": 7}


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


@pytest.mark.parametrize("params", [GREY, RGB], ids=["grey", "rgb"])
@pytest.mark.parametrize("name", sorted(_pictures()))
def test_training_host_and_board_see_the_same_bytes(tmp_path, name, params):
    """Training by the loader, the host as `finnspect simulate --images` reads, the board by the driver."""
    buffer = io.BytesIO()
    _pictures()[name].save(buffer, "JPEG" if name.endswith("jpg") else "PNG")
    for label in ("a", "b"):
        (tmp_path / "set" / label).mkdir(parents=True)
    (tmp_path / "set" / "a" / name).write_bytes(buffer.getvalue())
    Image.fromarray(np.eye(20, dtype=np.uint8) * 200).save(tmp_path / "set" / "b" / "other.png")

    preprocessing = Preprocessing(**params)
    dataset = load_dataset("image-folder", tmp_path / "set", preprocessing, tmp_path / "cache")
    trained = dataset.images[[source.endswith(name) for source in dataset.sources].index(True)]

    package = ModelPackage.load(PACKAGES_DIR / DEFAULT_PACKAGE)
    fields = {"preprocessing": preprocessing, "classes": ["a", "b"]}
    package = ModelPackage(package.path, package.info.model_copy(update=fields))
    on_host = read_images(tmp_path / "set", package)
    assert on_host.labels.tolist() == [0, 1]

    on_board = Batcher(params, package.input_shape).prepare(tmp_path / "set" / "a" / name, 0)
    assert trained.shape == package.input_shape and len(np.unique(trained)) > 8
    assert trained.tobytes() == on_host.pixels[0].tobytes() == on_board.tobytes()
