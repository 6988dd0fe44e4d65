"""Reading corrections from a file, or from the journal that a crash left."""

from pathlib import Path

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import JOURNAL_SUFFIX, read_geojson
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.recovery import load_journal


def load_corrections(path: str | Path, image: ImageRef | None = None) -> Corrections:
    """Read a corrections file.

    Parameters
    ----------
    path : str or Path
        The file, or the journal that a crash left, which is read together with the file beside it.
    image : ImageRef, optional
        The image that the corrections are meant for.

    Returns
    -------
    Corrections
        In the order in which they were made, with those that were undone.

    Raises
    ------
    CorrectionError
        If the file cannot be read, is damaged or too large, is not a corrections file, or is of another image.
        The message names the file and what is wrong.

    See Also
    --------
    save_corrections : Write the file.
    segment : Segment an image and apply corrections.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_grd.corrections.files import SUFFIX, save_corrections
    >>> with TemporaryDirectory() as folder:
    ...     path = save_corrections(Corrections(ImageRef((64, 64))), Path(folder) / f"cells{SUFFIX}")
    ...     len(load_corrections(path, ImageRef((64, 64))))
    0
    """
    path = Path(path)
    return (load_journal if path.name.lower().endswith(JOURNAL_SUFFIX) else read_geojson)(path, image)
