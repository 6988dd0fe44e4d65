"""Images and label images in files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_grd.errors import DataError, OutputError
from napari_grd.io.atomic import atomic_path
from napari_grd.io.label_values import stored_type

_TIFF = (".tif", ".tiff")
_PHOTO = (".png", ".jpg", ".jpeg")
SUFFIXES = (*_TIFF, *_PHOTO, ".npy")

_NAMED = 5  # as many files are named in a message


@dataclass(frozen=True)
class ImagePair:
    """An image file and, if there is one, the file of its labels.

    Attributes
    ----------
    name : str
        The stem both files share.
    image : Path
        The image.
    labels : Path or None
        Its label image; None if it has none.
    """

    name: str
    image: Path
    labels: Path | None


def read_image(path: str | Path) -> NDArray[Any]:
    """Read an image or label image as it is stored.

    Parameters
    ----------
    path : str or Path
        A TIFF, PNG, JPEG or npy file. Of a TIFF with several series the first
        is read, of a pyramid the full resolution.

    Returns
    -------
    numpy.ndarray
        In the file's own dtype and order of axes: colour stays last (``yxc``).
        An indexed PNG gives its indices, not its colours: label images are
        kept that way.

    Raises
    ------
    DataError
        If there is no such file, or it is of another format, damaged or cut off.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DataError(f"There is no image file {str(path)!r}.", "Check the path.")
    if suffix not in SUFFIXES:
        raise DataError(f"{str(path)!r} is not of a format that can be read.", f"Use one of: {', '.join(SUFFIXES)}.")
    try:
        if suffix in _TIFF:
            return np.asarray(tifffile.imread(path))
        if suffix in _PHOTO:
            with Image.open(path) as file:
                return np.asarray(file)
        return np.asarray(np.load(path, allow_pickle=False))
    # The readers let through whatever a damaged file makes them stumble over: struct.error, zlib.error, TypeError ...
    except Exception as error:
        remedy = (
            "Install the package 'imagecodecs', which knows this compression."
            if "imagecodecs" in str(error)
            else "The file may be cut off or damaged: copy it again or leave it out."
        )
        raise DataError(f"The image file {str(path)!r} cannot be read ({error}).", remedy) from error


def find_images(folder: str | Path) -> list[Path]:
    """Image files that lie directly in a folder, sorted by name; hidden ones are left out.

    Raises
    ------
    DataError
        If there is no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"The folder {str(folder)!r} {what}.", "Point to a folder of images.")
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise DataError(
            f"The folder {str(folder)!r} holds no images.",
            f"Put files ending in {', '.join(SUFFIXES)} there, or point to another folder.",
        )
    return found


def read_pairs(folder: str | Path, *, strict: bool = False) -> list[ImagePair]:
    """Images of a folder with the label images that belong to them.

    Parameters
    ----------
    folder : str or Path
        A folder with the subfolders ``images`` and ``labels``, in which files
        of one pair share their stem (``images/a.png``, ``labels/a.tif``).
        Without ``labels``, or without both, the images have no labels.
    strict : bool, default False
        Whether an image without labels is an error.

    Returns
    -------
    list of ImagePair
        Sorted by name.

    Raises
    ------
    DataError
        If a folder is missing or empty, labels lack their image, two files
        share a stem, or (if ``strict``) an image lacks its labels.
    """
    folder = Path(folder)
    images_folder, labels_folder = folder / "images", folder / "labels"
    if labels_folder.is_dir() and not images_folder.is_dir():
        raise DataError(
            f"The folder {str(folder)!r} holds 'labels' but no 'images'.", "Put the images in a subfolder 'images'."
        )
    images = _by_stem(images_folder if images_folder.is_dir() else folder)
    labels = _by_stem(labels_folder) if labels_folder.is_dir() else {}
    if orphans := sorted(labels.keys() - images.keys()):
        raise DataError(
            f"In {str(folder)!r}, {len(orphans)} label image(s) have no image: {_listed(orphans)}.",
            "Give image and labels the same name, or remove these labels.",
        )
    if strict and (bare := sorted(images.keys() - labels.keys())):
        raise DataError(
            f"In {str(folder)!r}, {len(bare)} image(s) have no labels: {_listed(bare)}.",
            "Add a file of the same name in the subfolder 'labels', or remove these images.",
        )
    return [ImagePair(name, images[name], labels.get(name)) for name in sorted(images)]


def write_labels(path: str | Path, labels: NDArray[Any], metadata: Mapping[str, Any] | None = None) -> Path:
    """Write a label image as a compressed TIFF, whole or not at all.

    Parameters
    ----------
    path : str or Path
        A file ending in ``.tif`` or ``.tiff``; its folder has to exist.
    labels : numpy.ndarray
        Integers >= 0 of shape ``(*S)``. They are stored as uint16 where they
        fit, else as uint32.
    metadata : mapping, optional
        Where the labels come from (model, version, settings). Has to fit JSON;
        it stands in the file's ImageDescription.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LabelError
        If the labels are empty, not integers, negative, or above 2**32 - 1.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _TIFF:
        raise OutputError(f"Labels cannot be written to {str(path)!r}.", "Choose a file name that ends in .tif.")
    labels = np.asarray(labels)
    stored = labels.astype(stored_type(labels), copy=False)
    with atomic_path(path) as temporary:
        # Without "minisblack", a last axis of 3 would be taken for colour.
        tifffile.imwrite(temporary, stored, compression="zlib", photometric="minisblack", metadata=dict(metadata or {}))
    return path


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in find_images(folder):
        stem = path.stem.removesuffix(".ome")
        if stem in found:
            raise DataError(
                f"In {str(folder)!r}, {found[stem].name!r} and {path.name!r} share the name {stem!r}.",
                "Rename or remove one of them.",
            )
        found[stem] = path
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
