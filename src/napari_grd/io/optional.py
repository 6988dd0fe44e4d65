"""Import of optional packages."""

import importlib
from typing import Any

from napari_grd.errors import GrdError


def require(module: str, purpose: str, extra: str) -> Any:
    """Import a package of an optional extra.

    Parameters
    ----------
    module : str
        Name of the module.
    purpose : str
        What it is needed for; subject of "... needs the package".
    extra : str
        The extra of napari-grd that installs it.

    Returns
    -------
    module

    Raises
    ------
    GrdError
        If it is not installed, or fails to import, with the command to install it.

    Examples
    --------
    >>> require("json", "An example", "none").dumps(1)
    '1'
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # a broken package raises anything, not only ImportError
        raise GrdError(
            f"{purpose} needs the package {module}, which cannot be imported ({type(error).__name__}: {error}).",
            f'Install it: pip install "napari-grd[{extra}]"',
        ) from error
