"""Listing of a folder's images, with their labels."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from napari_grd.errors import DataError
from napari_grd.io.cellpose_seg import SUFFIX as SEG
from napari_grd.io.names import COMPANION, SUFFIXES, TIFF, image_stem, named, suffix_of
from napari_grd.io.ome_zarr_metadata import METADATA_FILES, is_ome_zarr

LABEL_FOLDERS = ("labels", "masks")
_LABEL_ENDS = ("_cp_masks", "_masks", "_seg", "_labels")
_PICTURES = ("-outlines", "_outlines", "_overlay", "_flows", "_cp_outlines", "_cp_output")


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


@dataclass(frozen=True)
class FolderListing:
    """Images of a folder.

    Attributes
    ----------
    images : tuple of Path
        Sorted; one per data set, which may have several files.
    notes : tuple of str
        Messages about skipped images, in full sentences.
    """

    images: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PairListing:
    """Images of a folder with their labels.

    Attributes
    ----------
    pairs : tuple of ImagePair
        Sorted by name.
    notes : tuple of str
        Messages about skipped files, in full sentences.
    """

    pairs: tuple[ImagePair, ...]
    notes: tuple[str, ...]


def find_images(folder: str | Path, *, recursive: bool = False, pattern: str | None = None) -> list[Path]:
    """List the image files in a folder, sorted by name.

    Parameters
    ----------
    folder : str or Path
        The folder.
    recursive : bool, default False
        Whether images in its subfolders are listed too.
    pattern : str, optional
        Only files whose name matches, e.g. ``"*_DAPI.tif"``.

    Returns
    -------
    list of Path
        Files of a format that :func:`napari_grd.read_image` reads. Label images, files of other programs and unfinished
        files of this one are excluded.

    Raises
    ------
    DataError
        If there is no such folder, or no image in it.

    See Also
    --------
    read_image : Read one of the files.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "a.npy", np.zeros((8, 8)))
    ...     [path.name for path in find_images(folder)]
    ['a.npy']
    """
    return list(list_images(folder, recursive=recursive, pattern=pattern).images)


def list_images(folder: str | Path, *, recursive: bool = False, pattern: str | None = None) -> FolderListing:
    """Find the images among the files of a folder.

    Excluded are hidden files, files of other kinds, results of segmentation programs beside images (``_seg.npy``,
    ``_masks``, ``_outlines`` of Cellpose, our ``-outlines.png``) and folders called labels or masks. A folder ending in
    ``.zarr`` is an image. Of files with the same stem the most exact format is listed, and of a data set in several
    OME-TIFFs the first file. An empty file is listed: reading it raises a clear error.

    Parameters
    ----------
    folder : str or Path
        The folder. If it has a subfolder ``images``, its images are listed.
    recursive : bool, default False
        Whether subfolders are searched too.
    pattern : str, optional
        Pattern for names, or paths below the folder: ``*_ch1.tif``.

    Raises
    ------
    DataError
        If there is no such folder, or no image in it.
    """
    root = _existing(folder)
    aside: list[Path] = []
    if (root / "images").is_dir():
        aside = [path for path in _files(root, False) if not is_leftover(path)]
        root = root / "images"
    files = [path for path in _files(root, recursive) if not is_leftover(path)]
    if pattern is not None:
        files = [p for p in files if fnmatch(p.name, pattern) or fnmatch(p.relative_to(root).as_posix(), pattern)]
    images, notes = without_doubles(files)
    if not images:
        wanted = f"no images that match {pattern!r}" if pattern else "no images"
        deeper = not recursive and any(_files(root, True))
        raise DataError(
            f"The folder {str(folder)!r} contains {wanted}.",
            "Its subfolders contain some: search these too (recursive), or choose one of them."
            if deeper
            else f"Put files ending in {', '.join(SUFFIXES[:2])}, .png, ... there, or point to another folder.",
        )
    if aside:
        notes.append(f"Beside the folder 'images', {len(aside)} image(s) were skipped: {named(aside)}.")
    return FolderListing(tuple(images), tuple(notes))


def without_doubles(files: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """One file per image, and notes on those excluded: duplicates in another format, further files of a data set.

    Files are duplicates if they have the same folder and stem; files of one data set refer to each other.
    """
    notes: list[str] = []
    best: dict[tuple[Path, str], Path] = {}
    for path in sorted(files, key=_rank):
        key = (path.parent, image_stem(path))
        if key in best and path != best[key]:
            notes.append(f"{path.name} was skipped: {best[key].name} is the same image in a more exact format.")
        best.setdefault(key, path)
    kept = sorted(best.values())
    sets: dict[Path, str] = {}
    unique_paths: list[Path] = []
    many = len(kept) > 1
    for path in sorted(kept, key=lambda path: (not _is_companion(path), path)):
        if path in sets:
            continue
        unique_paths.append(path)
        if many and (_is_companion(path) or (suffix_of(path) in TIFF and image_stem(path) != path.stem)):
            from napari_grd.io.tiff_file import files_of

            sets |= {path.with_name(name): path.name for name in files_of(path)}
    if taken := [path for path in kept if path not in unique_paths]:
        notes.append(f"{len(taken)} file(s) belong to data sets of several files ({named(taken)}) and were combined.")
    return sorted(unique_paths), notes


def find_labels(folder: str | Path, images: Collection[str] = ()) -> dict[str, Path]:
    """Label images directly in a folder, by the stem of their image.

    Those of Cellpose are named ``a_cp_masks.png`` or ``a_seg.npy`` for the image ``a``, unless ``images``, the stems of
    images, contains such a name itself.

    Raises
    ------
    DataError
        If there is no such folder, or no label image in it, or two files belong to one image.
    """
    root = _existing(folder)
    files = [path for path in _files(root, False) if not _stem_ends(path, _PICTURES)]
    if not files:
        raise DataError(
            f"The folder {str(folder)!r} contains no label images.",
            f"Put files ending in {', '.join(SUFFIXES[:2])}, .png, ... there, or point to another folder.",
        )
    return _labels_by_stem(files, images)


def read_pairs(folder: str | Path, *, strict: bool = False) -> list[ImagePair]:
    """Images of a folder with their labels: see :func:`list_pairs`, which also reports skipped files."""
    return list(list_pairs(folder, strict=strict).pairs)


def list_pairs(folder: str | Path, *, strict: bool = False) -> PairListing:
    """Images of a folder with the label images that belong to them.

    Parameters
    ----------
    folder : str or Path
        A file or OME-Zarr of images, or a folder with the subfolders ``images`` and
        ``labels`` (or ``masks``), in which files
        of one pair share their stem (``images/a.png``, ``labels/a.tif``). Without
        ``labels``, Cellpose's results beside the images are used as labels; otherwise the images have none.
    strict : bool, default False
        Whether an image without labels is an error.

    Returns
    -------
    PairListing

    Raises
    ------
    DataError
        If a folder is missing or empty, no label image has an image, or
        (if ``strict``) an image lacks its labels.
    """
    root = Path(folder)
    if root.is_file() or is_ome_zarr(root):
        return PairListing((ImagePair(image_stem(root), root, None),), ())
    root = _existing(folder)
    labels_folder = next((root / name for name in LABEL_FOLDERS if (root / name).is_dir()), None)
    inside = root / "images" if (root / "images").is_dir() else root
    if labels_folder is not None and inside == root and not _images_in(root):
        raise DataError(
            f"The folder {str(folder)!r} contains {labels_folder.name!r} but no 'images'.",
            "Put the images in a subfolder 'images'.",
        )
    listing = list_images(root)
    images = {image_stem(path): path for path in listing.images}
    notes = list(listing.notes)
    if labels_folder is not None and any(_files(labels_folder, False)):
        labels = find_labels(labels_folder, images)
    else:
        beside = [path for path in _files(inside, False) if is_leftover(path) and _stem_ends(path, _LABEL_ENDS)]
        labels = _labels_by_stem(beside)
        if labels:
            notes.append(f"The labels beside the images ({named(list(labels.values()))}) are used as ground truth.")
    if labels and not labels.keys() & images.keys():
        raise DataError(
            f"In {str(folder)!r}, {len(labels)} label image(s) have no image: {named(sorted(labels))}.",
            "Give image and labels the same name, or remove these labels.",
        )
    if strict and (bare := sorted(images.keys() - labels.keys())):
        raise DataError(
            f"In {str(folder)!r}, {len(bare)} image(s) have no labels: {named(bare)}.",
            "Add a file of the same name in the subfolder 'labels', or remove these images.",
        )
    if orphans := sorted(labels.keys() - images.keys()):
        notes.append(f"{len(orphans)} label image(s) have no image and were skipped: {named(orphans)}.")
    pairs = tuple(ImagePair(name, images[name], labels.get(name)) for name in sorted(images))
    return PairListing(pairs, tuple(notes))


def _existing(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"The folder {str(folder)!r} {what}.", "Point to a folder of images.")
    return folder


def _files(root: Path, recursive: bool) -> Iterator[Path]:
    """Files of supported formats, including Zarr folders."""
    for place, folders, names in os.walk(root, followlinks=False):
        here = Path(place)
        zarrs = [name for name in folders if name.lower().endswith(".zarr")]
        for name in (*names, *zarrs):
            path = here / name
            readable = suffix_of(path) in SUFFIXES or _is_companion(path)
            ours = readable and not name.startswith(".") and name not in METADATA_FILES
            if ours and (name in zarrs or path.is_file() or path.is_symlink()):
                yield path
        folders[:] = sorted(
            name
            for name in folders
            if recursive and name not in zarrs and not name.startswith(".") and name.lower() not in LABEL_FOLDERS
        )


def _images_in(folder: Path) -> bool:
    return any(not is_leftover(path) for path in _files(folder, False))


def is_leftover(path: Path) -> bool:
    """Whether this is a segmentation program's result for an image in the same folder."""
    if path.name.lower().endswith(SEG) or _stem_ends(path, ("_cp_masks", "-outlines", "_cp_outlines", "_cp_output")):
        return True
    stem = image_stem(path)
    for end in (*_LABEL_ENDS, *_PICTURES):
        if stem.lower().endswith(end):
            # An image may have such a name; a result has its image beside it.
            return any(_same_stem(path.parent, stem[: -len(end)]))
    return False


def _same_stem(folder: Path, stem: str) -> Iterator[Path]:
    return (path for path in folder.glob(f"{_escaped(stem)}.*") if image_stem(path) == stem)


def _escaped(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


def _stem_ends(path: Path, ends: tuple[str, ...]) -> bool:
    return image_stem(path).lower().endswith(ends)


def _labels_by_stem(files: Sequence[Path], images: Collection[str] = ()) -> dict[str, Path]:
    """Label files by the stem of their image; of several for one image the most exact, preferably not a pickle."""
    paths: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: (path.name.lower().endswith(SEG), *_rank(path))):
        stem = image_stem(path)
        for end in _LABEL_ENDS:
            if stem not in images and stem.lower().endswith(end) and len(stem) > len(end):
                stem = stem[: -len(end)]
                break
        paths.setdefault(stem, path)
    return dict(sorted(paths.items()))


def _is_companion(path: Path) -> bool:
    return path.name.lower().endswith(COMPANION)


def _rank(path: Path) -> tuple[bool, int, str]:
    """Sort key of duplicates: non-empty files first, then the most exact format."""
    empty = path.is_file() and path.stat().st_size == 0
    return (empty, -1 if _is_companion(path) else SUFFIXES.index(suffix_of(path)), path.name)
