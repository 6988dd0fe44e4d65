"""Reader preferences for dropped folders, so that napari need not ask.

A plugin's manifest can claim all folders or none, and napari itself opens any:
with an OME-Zarr reader installed it would ask about every folder that is
dropped. Its preferences decide such cases by the folder's name, so they are
filled in, once and where the user can see and change them
(Preferences > Plugins > File reading).
"""

import os
import tempfile
from typing import Any

from napari.settings import get_settings
from npe2 import PluginManager

from napari_grd._napari.settings import PLUGIN, settings

_NAPARI = "napari"
CLAIMS = {
    f"*.zarr{os.sep}*": PLUGIN,  # the folder, and groups inside it
    f"*{os.sep}": _NAPARI,
}


def claim_zarr_folders(_context: Any = None) -> None:
    """Let napari open Zarr folders with this plugin and other folders itself, unless other preferences exist.

    Called when a command of the plugin is used for the first time. Where a
    third plugin reads folders as well, the choice is left to the user.
    """
    if not settings().zarr_folders:
        return
    some_folder = tempfile.gettempdir()
    readers = {reader.plugin_name for reader in PluginManager.instance().iter_compatible_readers([some_folder])}
    preferred = get_settings().plugins.extension2reader
    missing = {pattern: name for pattern, name in CLAIMS.items() if pattern not in preferred}
    if missing and readers <= {PLUGIN, _NAPARI}:
        get_settings().plugins.extension2reader = {**preferred, **missing}
