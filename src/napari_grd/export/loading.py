"""Loading a model by whatever one has of it."""

from pathlib import Path

from napari_grd.export.bioimageio.import_package import read_package
from napari_grd.io.model_file import load_model as _load_model
from napari_grd.io.resolve import resolve_model
from napari_grd.models import Model


def load_model(source: str | Path) -> Model:
    """Load a built-in model by name, a model file, or a bioimage.io package that was made of one.

    Parameters
    ----------
    source : str or Path
        ``"nuclei"``, the name of a model of :func:`napari_grd.api.fetch_model`, or the path of a
        ``.grd.safetensors`` file or of a ``.zip`` of :func:`napari_grd.api.export_model`.

    Raises
    ------
    ModelFileError
        If there is no such model, its file cannot be read, or the package is of
        another model: that is a teacher.

    Examples
    --------
    >>> load_model("nuclei").config.in_channels
    1
    """
    path = resolve_model(source)
    return read_package(path) if path.suffix == ".zip" else _load_model(path)


def as_model(source: Model | str | Path) -> Model:
    """A model as it is, or what :func:`load_model` makes of anything else."""
    return source if isinstance(source, Model) else load_model(source)
