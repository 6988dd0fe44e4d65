"""Reader preferences for names that several readers claim, so that napari need not ask.

A plugin's manifest can claim all folders or none, and all OME-TIFF or none, and napari itself opens any: it would ask
about every one that is dropped. Its preferences decide such cases by the name, so they are filled in, once and where
the user can see and change them (Preferences > Plugins > File reading).
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from napari.plugins.utils import get_preferred_reader
from napari.settings import get_settings
from npe2 import PluginManager

from napari_grd._napari.settings import PLUGIN, settings

_NAPARI = "napari"
FOLDERS = {
    f"*.zarr{os.sep}*": PLUGIN,  # the folder, and groups inside it
    f"*{os.sep}": _NAPARI,
    f"*:{os.sep}*.zarr": PLUGIN,  # addresses, of which napari makes paths
}
OME_TIFFS = {"*.ome.tif": PLUGIN, "*.ome.tiff": PLUGIN}


def claim_names(_context: Any = None) -> None:
    """Let this plugin open Zarr folders and OME-TIFF, and napari other folders, unless other preferences exist.

    Called when a command of the plugin is used for the first time. Where a
    third plugin reads them as well, the choice is left to the user.
    """
    chosen, folder = settings(), Path(tempfile.gettempdir())
    if chosen.zarr_folders:
        _prefer(FOLDERS, folder)
    # Images are passed on to napari, as it would read them without this plugin.
    if chosen.ome_tiffs and get_preferred_reader(folder / "a.ome.tif") is None:
        _prefer(OME_TIFFS, folder / "a.ome.tif")


def _prefer(claims: dict[str, str], example: Path) -> None:
    """Add preferences that are missing, unless a third plugin reads such an example."""
    readers = {reader.plugin_name for reader in PluginManager.instance().iter_compatible_readers([str(example)])}
    preferred = get_settings().plugins.extension2reader
    missing = {pattern: name for pattern, name in claims.items() if pattern not in preferred}
    if missing and readers <= {PLUGIN, _NAPARI}:
        get_settings().plugins.extension2reader = {**preferred, **missing}
