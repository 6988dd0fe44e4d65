"""The folder of images that a command line names."""

import os
from pathlib import Path

from napari_grd.errors import DataError

VARIABLE = "GRD_DATA"
_DEFAULT = "dsb2018_fluo"
# Fields of one well are similar: held-out images must be from other wells.
_GROUPS = {"bbbc039_nuclei": r"_([A-P]\d\d)_"}


def known_group(folder: Path) -> str | None:
    """The group of a data set whose images are known to come from wells; None for others."""
    return _GROUPS.get(folder.name)


def data_folder(images: Path | None, dataset: str | None) -> Path:
    """The folder given, or a data set in the folder that ``GRD_DATA`` names.

    Raises
    ------
    DataError
        If neither is given, or there is no such data set.
    """
    if images is not None:
        if dataset is not None:
            raise DataError(
                f"Both a folder ({str(images)!r}) and --dataset {dataset} are given.", "Give one of the two."
            )
        return images
    root = os.environ.get(VARIABLE)
    if not root:
        raise DataError(
            f"No folder of images is given, and the environment variable {VARIABLE} is not set.",
            f"Give the folder, or set {VARIABLE} to a folder of data sets and choose one with --dataset NAME.",
        )
    folder = Path(root) / (dataset or _DEFAULT)
    if not folder.is_dir():
        there = sorted(path.name for path in Path(root).iterdir() if path.is_dir()) if Path(root).is_dir() else []
        raise DataError(
            f"There is no data set {folder.name!r} in {root!r}, the folder that {VARIABLE} names.",
            f"Choose with --dataset one of: {', '.join(there)}." if there else f"Correct {VARIABLE}.",
        )
    return folder
