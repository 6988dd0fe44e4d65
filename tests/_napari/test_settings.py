"""What is set in napari's preferences arrives."""

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

from napari_grd._napari.settings import PLUGIN, Settings, settings


@pytest.fixture
def stored(plugin_settings: Any, npe2pm: Any) -> Any:
    npe2pm.register(PluginManifest.from_file(resources.files("napari_grd") / "napari.yaml"))
    return get_plugin_settings(PLUGIN)


@pytest.mark.usefixtures("stored")
def test_the_defaults_need_no_choice() -> None:
    found = settings()
    assert (found.device, found.threads, found.zarr_folders, found.ome_tiffs) == ("auto", 0, True, True)
    assert found.cache_folder.is_absolute()
    assert found.cache_bytes == 4_000_000_000


def test_choices_arrive(stored: Any, tmp_path: Path) -> None:
    stored.computing.device = "cpu"
    stored.computing.threads = 2
    stored.cache.folder = str(tmp_path)
    stored.cache.megabytes = 200
    stored.files.zarr_folders = False
    stored.files.ome_tiffs = False
    assert settings() == Settings("cpu", 2, tmp_path, 200_000_000, False, False)


def test_a_device_that_does_not_exist_is_refused_when_it_is_set(stored: Any) -> None:
    with pytest.raises(ValueError, match="toaster"):
        stored.computing.device = "toaster"
