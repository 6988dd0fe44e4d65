"""The plugin's page of napari's preferences."""

from dataclasses import dataclass
from pathlib import Path

from napari.settings import get_plugin_settings

from napari_grd.io.places import default_cache_folder

PLUGIN = "napari-grd"


@dataclass(frozen=True)
class Settings:
    """The user's settings in Preferences > Plugins > GRD.

    Attributes
    ----------
    device : str
        auto, cpu, cuda or mps.
    threads : int
        Processor threads, 0 for all.
    cache_folder : Path
        Cache folder for teacher predictions. It may not exist yet.
    cache_bytes : int
        Maximum size of the cache.
    zarr_folders : bool
        Whether Zarr folders are opened with this plugin without asking.
    ome_tiffs : bool
        Whether OME-TIFF files are.
    """

    device: str
    threads: int
    cache_folder: Path
    cache_bytes: int
    zarr_folders: bool
    ome_tiffs: bool


def settings() -> Settings:
    """The current settings.

    Raises
    ------
    KeyError
        If the plugin is not registered in napari, because it is not installed or disabled.
    """
    stored = get_plugin_settings(PLUGIN)
    folder = stored.cache.folder
    return Settings(
        device=stored.computing.device,
        threads=stored.computing.threads,
        cache_folder=Path(folder).expanduser() if folder else default_cache_folder(),
        cache_bytes=stored.cache.megabytes * 1_000_000,
        zarr_folders=stored.files.zarr_folders,
        ome_tiffs=stored.files.ome_tiffs,
    )
