"""The manifest is valid, light, resolves, and claims nothing that napari opens well by itself."""

import subprocess
import sys
from importlib import import_module, resources
from importlib.util import find_spec
from typing import Any

import pytest
from npe2 import PluginManifest

from napari_grd.io.names import VENDOR

FILE = str(resources.files("napari_grd") / "napari.yaml")


@pytest.fixture(scope="module")
def manifest() -> Any:
    return PluginManifest.from_file(FILE)


def test_npe2_finds_nothing_wrong() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "npe2", "validate", FILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_leads_to_something(manifest: Any) -> None:
    names = [command.python_name for command in manifest.contributions.commands] + [manifest.on_activate]
    for name in names:
        module, attribute = name.split(":")
        if find_spec(module) is None:  # a widget that is being written
            continue
        assert callable(getattr(import_module(module), attribute)), name


def test_every_command_is_offered_somewhere(manifest: Any) -> None:
    parts = manifest.contributions
    kinds = (parts.widgets, parts.readers, parts.writers, parts.sample_data)
    offered = {part.command for kind in kinds for part in kind}
    assert offered == {command.id for command in parts.commands}
    assert {widget.display_name for widget in parts.widgets} == {
        "Live",
        "Correct",
        "Distill",
        "Inspect",
        "Measure",
        "Evaluate",
    }
    assert set(parts.menus) >= {"napari/layers/segment", "napari/layers/visualize"}


def test_of_what_napari_opens_only_ome_tiff_is_claimed(manifest: Any) -> None:
    builtin = PluginManifest.from_file(resources.files("napari_builtins") / "builtins.yaml")
    theirs = {pattern for reader in builtin.contributions.readers for pattern in reader.filename_patterns}
    ours = [pattern for reader in manifest.contributions.readers for pattern in reader.filename_patterns]
    tiffs = {"*.ome.tif", "*.ome.tiff"}  # whose labels are images to napari; images are passed on to it
    assert theirs & set(ours) <= tiffs
    assert {pattern for pattern in ours if pattern.endswith((".tif", ".tiff", ".png"))} == tiffs


def test_the_formats_of_bioio_are_those_of_the_manifest(manifest: Any) -> None:
    (reader,) = [reader for reader in manifest.contributions.readers if reader.command == "napari-grd.read_bioio"]
    assert reader.filename_patterns == [f"*{suffix}" for suffix in VENDOR]


def test_what_napari_does_with_it_at_its_start_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from npe2 import PluginManager\n"
        "plugins = PluginManager.instance()\n"
        "plugins.discover()\n"
        "assert plugins.get_manifest('napari-grd').contributions.widgets\n"
        "import napari_grd\n"
        "heavy = {'torch', 'numba', 'zarr', 'openvino', 'qtpy', 'napari_grd._napari', 'napari_grd.api'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
