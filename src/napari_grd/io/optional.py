"""Packages that only some things need and a user may not have."""

import importlib
from typing import Any

from napari_grd.errors import GrdError


def require(module: str, purpose: str, extra: str) -> Any:
    """Import a package of an optional extra.

    Parameters
    ----------
    module : str
        What to import.
    purpose : str
        What it is needed for, fit for "X needs ...".
    extra : str
        The extra of napari-grd that brings it.

    Returns
    -------
    module

    Raises
    ------
    GrdError
        If it is not installed, or does not load, with the command that mends it.

    Examples
    --------
    >>> require("json", "An example", "none").dumps(1)
    '1'
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # a broken package raises anything, not only ImportError
        raise GrdError(
            f"{purpose} needs the package {module}, which does not load ({type(error).__name__}: {error}).",
            f'Install it: pip install "napari-grd[{extra}]"',
        ) from error
