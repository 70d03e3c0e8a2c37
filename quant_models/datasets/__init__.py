"""Data sets of surface images: one loader a layout, one registry, splits that never leak.

>>> dataset = load_dataset("synthetic", None, preprocessing, cache_dir)
>>> split = split_dataset(dataset, seed=0)
>>> manifest = SplitManifest.of(dataset, split)

How to add a data set
---------------------
One file with one function under :func:`register_dataset`, imported below (keep the list sorted).

1. **Describe it**: a :class:`DatasetInfo`. ``licence`` says "none stated" where the source is silent;
   ``size`` is what was published; a tuple in ``options`` lists choices, the default first
   (``task=("types", "binary")``); numbers are options with a default; ``OPTIONS`` of the registry says
   what each does. The framework checks names, types and choices, and adds ``group_near``. ``checked``
   says what the loader was run on. ``finnspect datasets list --markdown`` then goes into docs/datasets.md.
2. **Find the root**: ``base = tree.locate("train.csv", "train_images", layout=INFO.layout)``: archives
   wrap sets in folders. All names are relative to the tree, with ``/``:
   ``f"{base}/train.csv".strip("/")``. ``tree.at(folder).files()``, ``.folders()``, ``.all_files()`` list;
   ``tree.images(names)`` parts images from side files and refuses anything else; ``tree.read``,
   ``tree.text`` read; ``skip=`` of the decorator names what is never read, so that it is not unpacked.
3. **Read labels** with :mod:`quant_models.datasets.annotations`: ``read_table`` (CSV or blanks, with or
   without header; its rows know their line: ``row.integer("x")``, ``row.choice("type", NAMES)``,
   ``row.fault(...)``), ``read_voc``, ``read_labelme`` (``shape.mask(h, w)``), ``read_json``,
   ``run_length_mask``, ``read_mask`` (png, bmp, jpg; threshold), ``read_mat``, ``check_size``. Every
   fault is ``tree.fault(file, what, remedy, line)``. An unknown class, a missing label file, a label
   without its image are faults; so is an image without a label, unless the set says what that means.
4. **Make samples**, those of one picture in a row, pictures in sorted order:

   - a whole image: ``Sample(source, label, group)``;
   - tiles: ``cut_tiles(source, group, label_map, TileRule(height, width, minimum), tally)``; the label
     map comes from a mask (``mask.astype(int) * label``) or from ``paint_boxes``; 0 is sound, for
     ``IGNORED`` and ``DOUBTFUL`` see there. Tiles with too little defect, or several classes, are left
     out and counted in the :class:`Tally`;
   - crops: ``Sample(..., box=crop_around(box, height, width, margin=0.5, least=32))``.

   ``image_size(tree, name)`` reads a picture's size from its header. ``parallel(function, names)`` maps
   in order over threads: use it where masks are decoded. ``group`` names what must never part: the item,
   the view, the large picture. ``part`` is the official split, where there is one: it must have train and
   test; whether it leaks is found out by the framework, which then drops it and says so. ``mask`` names a
   mask that was not needed for the label, for ``finnspect datasets check`` to look at.
5. **Return** ``Catalog(names, samples, notes, differences)``. Nothing goes silently: ``notes`` says what
   was left out on purpose (``tally.notes`` and sentences of your own); name the pictures that a note
   speaks of with ``tree.pass_over``, for the framework adds a note on every other picture that nobody
   asked for; ``differences`` where the copy differs from the published set
   (``f"holds {n} images; the published set has {N}"``): a warning in training, a failure in a check. For
   a binary task name the classes ``good`` and ``defect``, in this order: the second one is what is looked
   for. Labels are indices into fixed class names; the framework refuses a class without images.
6. **Raise** ``version=`` whenever the result for the same files changes: it is part of the cache's key.

The framework does the rest: archives, decoding in parallel, the cache, identical pictures (kept together;
refused where their labels differ; removed with ``unique=True``), near-duplicates
(:func:`near_duplicates`, option ``group_near`` of :func:`load_dataset`), blank borders among tiles,
splits, class counts, the command line. Draw it in its exact layout, and enter it in
``tests/quant_models/datasets/drawn_sets.py`` and, with each fault that it can have, in ``bad_matrix.py``:
every other test then takes it up.
"""

from quant_models.datasets import (  # noqa: F401  (registers them)
    aitex,
    bridge_crack,
    bsdata,
    crack_forest,
    dagm,
    deep_pcb,
    elpv,
    escalator,
    image_folder,
    insulator,
    itodd,
    kolektor,
    magnetic_tile,
    neu,
    neu_cls,
    rsdds,
    severstal,
    synthetic,
    textures,
    tianchi_aluminium,
    tianchi_fabric,
)
from quant_models.datasets.load import load_dataset
from quant_models.datasets.near import near_duplicates
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
    "near_duplicates",
    "register_dataset",
    "split_dataset",
]
