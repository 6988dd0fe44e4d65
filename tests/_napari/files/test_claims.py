"""Zarr folders and OME-TIFF open without a question, and as the user prefers."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from napari.plugins import utils

from napari_grd._napari.files import claims

ZARR, OTHER, ADDRESS = claims.FOLDERS
OURS = {"*.ome.tif": "napari-grd", "*.ome.tiff": "napari-grd"}


@pytest.fixture
def napari_settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    plugins = SimpleNamespace(extension2reader={})
    for module in (claims, utils):
        monkeypatch.setattr(module, "get_settings", lambda: SimpleNamespace(plugins=plugins))
    return plugins


def set_up(
    monkeypatch: pytest.MonkeyPatch, *, readers: tuple[str, ...], folders: bool = True, tiffs: bool = True
) -> None:
    found = [SimpleNamespace(plugin_name=name) for name in readers]
    manager = SimpleNamespace(iter_compatible_readers=lambda _paths: iter(found))
    monkeypatch.setattr(claims.PluginManager, "instance", lambda: manager)
    monkeypatch.setattr(claims, "settings", lambda: SimpleNamespace(zarr_folders=folders, ome_tiffs=tiffs))


def test_zarr_folders_and_ome_tiffs_are_ours_and_other_folders_naparis(
    napari_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, readers=("napari", "napari-grd"))
    claims.claim_names()
    assert (
        napari_settings.extension2reader
        == {
            f"*.zarr{os.sep}*": "napari-grd",
            f"*{os.sep}": "napari",
            f"*:{os.sep}*.zarr": "napari-grd",
        }
        | OURS
    )


def test_what_the_user_prefers_stays(napari_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch, readers=("napari", "napari-grd"))
    napari_settings.extension2reader = {ZARR: "napari", "*.tif": "other"}
    claims.claim_names()
    assert napari_settings.extension2reader == {
        ZARR: "napari",
        "*.tif": "other",
        OTHER: "napari",
        ADDRESS: "napari-grd",
    }


def test_each_claim_can_be_switched_off(napari_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(monkeypatch, readers=("napari", "napari-grd"), folders=False)
    claims.claim_names()
    assert napari_settings.extension2reader == OURS


@pytest.mark.parametrize(
    ("readers", "wanted"), [(("napari", "napari-grd", "third"), True), (("napari", "napari-grd"), False)]
)
def test_nothing_is_claimed_beside_a_third_reader_or_against_the_settings(
    napari_settings: Any, monkeypatch: pytest.MonkeyPatch, readers: tuple[str, ...], wanted: bool
) -> None:
    set_up(monkeypatch, readers=readers, folders=wanted, tiffs=wanted)
    claims.claim_names()
    assert napari_settings.extension2reader == {}
