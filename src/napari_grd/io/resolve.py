"""Which file a model's name means."""

from pathlib import Path

from napari_grd.errors import ModelFileError
from napari_grd.io.builtin import builtin_paths
from napari_grd.io.remote import remote_models


def resolve_model(source: str | Path) -> Path:
    """The file of a model that is named by its path, or by the name of a built-in or a fetched one.

    Parameters
    ----------
    source : str or Path
        A string that is such a name means that model, even beside a file of the
        same name: write ``"./name"`` for that one.

    Returns
    -------
    Path
        An existing file.

    Raises
    ------
    ModelFileError
        If it is neither, or was not fetched yet; the message lists the names.

    Examples
    --------
    >>> resolve_model("nuclei").name
    'nuclei.grd.safetensors'
    """
    builtin = builtin_paths()
    if isinstance(source, str) and source in builtin:
        return builtin[source]
    path, remote = Path(source), remote_models()
    if isinstance(source, str) and source in remote:
        model = remote[source]
        if not model.here:
            raise ModelFileError(
                f"The model {source!r} was not fetched from {model.url} yet.", f"Run: napari-grd fetch {source}"
            )
        return model.path
    if path.is_file():
        return path
    raise ModelFileError(
        f"There is no built-in model and no file named {str(source)!r}.",
        f"Check the name or path. Models: {', '.join([*builtin, *remote])}.",
    )
