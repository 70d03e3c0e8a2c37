"""Data sets of surface images: one loader a layout, one registry, splits that never leak.

>>> dataset = load_dataset("synthetic", None, preprocessing, cache_dir)
>>> split = split_dataset(dataset, seed=0)
>>> manifest = SplitManifest.of(dataset, split)

A new data set is one file with one function under :func:`register_dataset`, imported here.
"""

from quant_models.datasets import image_folder, neu, synthetic  # noqa: F401  (registers them)
from quant_models.datasets.load import load_dataset
from quant_models.datasets.records import Catalog, DefectDataset, Sample
from quant_models.datasets.registry import DatasetInfo, get_dataset, list_datasets, register_dataset
from quant_models.datasets.splits import (
    DEFAULT_FRACTIONS,
    PARTS,
    Split,
    SplitManifest,
    clusters,
    split_dataset,
)

__all__ = [
    "DEFAULT_FRACTIONS",
    "PARTS",
    "Catalog",
    "DatasetInfo",
    "DefectDataset",
    "Sample",
    "Split",
    "SplitManifest",
    "clusters",
    "get_dataset",
    "list_datasets",
    "load_dataset",
    "register_dataset",
    "split_dataset",
]
