"""The driver's preprocessing with finnspect's description of it."""

import numpy as np
from finnspect.package import Preprocessing
from finnspect_driver.preprocess import preprocess


def test_takes_what_a_model_package_holds():
    params = Preprocessing(color="grey", height=3, width=3, scale=1 / 255)
    image = np.random.default_rng(7).integers(0, 256, (9, 9), dtype=np.uint8)
    plain = {"color": "grey", "height": 3, "width": 3, "resize": "area", "scale": 1 / 255}
    assert np.array_equal(preprocess(image, params.model_dump()), preprocess(image, plain))
