"""Names of image and model files: suffixes, and the rule for the stem."""

from collections.abc import Sequence
from pathlib import Path

TIFF = (".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk", ".svs", ".ndpi", ".qptiff")
PHOTO = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".jp2")
ARRAY = (".npy",)
ZARR = (".zarr", ".ozx")
COMPANION = ".companion.ome"
VENDOR = {
    ".czi": "bioio-czi",
    ".nd2": "bioio-nd2",
    ".lif": "bioio-lif",
    ".xlif": "bioio-lif",
    ".lof": "bioio-lif",
    ".dv": "bioio-dv",
    ".r3d": "bioio-dv",
    ".oib": "bioio-bioformats",
    ".oif": "bioio-bioformats",
    ".oir": "bioio-bioformats",
    ".vsi": "bioio-bioformats",
    ".zvi": "bioio-bioformats",
    ".ims": "bioio-bioformats",
}
"""Proprietary microscope formats, and the bioio plugin for each."""

MODEL_SUFFIX = ".grd.safetensors"
"""Suffix of model files."""

SUFFIXES = (*TIFF, *ARRAY, *ZARR, *VENDOR, *PHOTO)
"""Supported suffixes in order of preference for files of the same stem."""

_OME = ".ome"
_METADATA = ("zarr.json", ".zattrs", ".zgroup")


def suffix_of(path: str | Path) -> str:
    """The suffix in lower case, ``.tif`` for ``A.OME.TIF``."""
    return Path(path).suffix.lower()


def image_stem(path: str | Path) -> str:
    """The name of an image without folder and suffixes.

    Examples
    --------
    >>> [image_stem(name) for name in ("x.ome.tif", "X.OME.TIFF", "plate 1/A01_s1.png", "b.ome.zarr", "v1.2.tif")]
    ['x', 'X', 'A01_s1', 'b', 'v1.2']
    """
    path = Path(path)
    if path.name in _METADATA:  # the metadata file of a Zarr group represents the group
        path = path.parent
    stem = path.name
    if stem.lower().endswith(COMPANION):
        return stem[: -len(COMPANION)] or stem
    if suffix_of(path) in SUFFIXES or suffix_of(path) in (".ome", ".zip"):
        stem = path.stem
    else:
        return path.stem
    return stem[: -len(_OME)] if stem.lower().endswith(_OME) and len(stem) > len(_OME) else stem


def file_name(text: str) -> str:
    """A text as part of a file name: invalid characters become underscores.

    Examples
    --------
    >>> file_name("A/1/0"), file_name("Pos 1: β")
    ('A_1_0', 'Pos 1_ β')
    """
    safe = "".join("_" if letter in '<>:"/\\|?*' or ord(letter) < 32 else letter for letter in text)
    return safe.strip(" .") or "_"


def series_names(names: list[str]) -> tuple[str, ...]:
    """Unique names of the images of a file: an unnamed one is called by its index.

    Examples
    --------
    >>> series_names(["a", "", "a"])
    ('a', '1', 'a 2')
    """
    unique_names: list[str] = []
    for number, name in enumerate(names):
        name = name.strip() or str(number)
        while file_name(name) in map(file_name, unique_names):
            name = f"{name} {number}"
        unique_names.append(name)
    return tuple(unique_names)


def image_name(path: str | Path, series: int, names: tuple[str, ...]) -> str:
    """The name of one image of a file: the stem, with the series if there are several."""
    path = Path(path)
    stem = image_stem(path)
    inside = [parent for parent in path.parents if parent.name.lower().endswith(ZARR[0])]
    if inside and suffix_of(path) not in ZARR:  # a field of a plate, opened directly
        stem = file_name(f"{image_stem(inside[-1])}/{path.relative_to(inside[-1]).as_posix()}")
    return stem if len(names) < 2 else f"{stem}_{file_name(names[series])}"


def named(names: Sequence[object], most: int = 5) -> str:
    """A few names for a message.

    Examples
    --------
    >>> named("abcdefgh")
    'a, b, c, d, e, ...'
    """
    texts = [name.name if isinstance(name, Path) else str(name) for name in names[: most + 1]]
    return ", ".join(texts[:most]) + (", ..." if len(texts) > most else "")
