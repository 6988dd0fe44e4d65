"""Compiled loops work where nothing can be written, and where what was written is damaged."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numba
import pytest

import napari_grd

# Two small ones, one of which calls another; the others are imported, compiled for a type only when called.
_CODE = """
import numpy as np, napari_grd, napari_grd.inference.segment
from napari_grd.corrections.plane import PlaneLabels
from napari_grd.graph.mutex import _link
labels = np.zeros((8, 8), np.uint32)
labels[:4], labels[4:] = 1, 2
parents = np.arange(4, dtype=np.int32)
_link(parents, np.array([[3, 1], [1, 2]]))
print(napari_grd.__file__, parents, PlaneLabels(labels).box(2))
"""


def test_a_read_only_installation_without_a_home_works(tmp_path: Path) -> None:
    package = tmp_path / "site" / "napari_grd"
    shutil.copytree(Path(napari_grd.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    # Whoever runs tests as root may write anywhere: files in the place of folders stop even that.
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_bytes(b"")
    home = tmp_path / "home"
    home.write_bytes(b"")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_CACHE", "XDG_", "PYTHON"))}
    env |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "LOCALAPPDATA": str(home)}
    env |= {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", _CODE], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    place, *rest = done.stdout.split(maxsplit=1)
    assert Path(place).is_relative_to(tmp_path)
    assert rest == ["[0 1 1 1] (4, 0, 8, 8)\n"]


_LOOP = """
from napari_grd.compiled import compiled

@compiled()
def double(value):
    return 2 * value
"""


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Compiles a loop as a new process would; says how often it was found in the cache."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "loop.py").write_text(_LOOP)

    def run() -> int:
        spec = importlib.util.spec_from_file_location("loop", tmp_path / "loop.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "loop", module)
        spec.loader.exec_module(module)
        assert module.double(21) == 42
        return sum(module.double.stats.cache_hits.values())

    assert (run(), run()) == (0, 1)
    return run


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "rubbish", "gone"])
def test_what_was_kept_and_is_damaged_is_compiled_anew(
    kind: str, damage: str, loop: Callable[[], int], tmp_path: Path
) -> None:
    (path,) = (tmp_path / "cache").rglob(f"*.{kind}")
    content = path.read_bytes()
    half = len(content) // 2
    if damage == "gone":
        path.unlink()
    else:
        parts = {"empty": b"", "cut": content[:half], "zeros": content[:half] + bytes(half), "rubbish": b"\x80rubbish"}
        path.write_bytes(parts[damage])
    assert (loop(), loop()) == (0, 1)


def test_a_cache_that_nothing_can_be_written_to_is_no_error(loop: Callable[[], int], tmp_path: Path) -> None:
    for path in (tmp_path / "cache").rglob("*.nb?"):
        path.unlink()
        path.mkdir()
    assert (loop(), loop()) == (0, 0)
