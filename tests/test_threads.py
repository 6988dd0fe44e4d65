"""Widgets import the package in their workers while the window goes on importing it, too."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import napari_grd

ROOT = Path(napari_grd.__file__).parent
PACKAGES = sorted(ROOT.rglob("__init__.py"))
SCRIPT = """
import importlib, sys, threading
sys.setswitchinterval(1e-5)
errors = []
def load(name):
    try:
        importlib.import_module(name)
    except BaseException as error:
        errors.append(f"{name}: {error!r}")
threads = [threading.Thread(target=load, args=(name,)) for name in sys.argv[1:]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit("; ".join(errors) or None)
"""


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_a_package_does_not_import_its_own_modules(path: Path) -> None:
    # Python locks a module's name, then its package: a package that imports its modules locks them in the other order,
    # and of two threads that meet, one fails.
    package = ".".join(("napari_grd", *path.parent.relative_to(ROOT).parts))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith(package), f"{path}, line {node.lineno}"
        elif isinstance(node, ast.Import):
            assert not any(each.name.startswith(package) for each in node.names), f"{path}, line {node.lineno}"


def test_two_threads_import_it_at_once() -> None:
    names = ["napari_grd.api", "napari_grd.models.model", "napari_grd.corrections.apply", "napari_grd.cli.app"]
    ended = subprocess.run([sys.executable, "-c", SCRIPT, *names], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
