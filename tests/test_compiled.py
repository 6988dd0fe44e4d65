"""Compiled loops work where nothing can be written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import napari_grd

_CODE = """
import numpy as np, napari_grd
from napari_grd.config import PartitionConfig
from napari_grd.corrections.plane import PlaneLabels
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.graph.partition import partition_embedding
embedding = np.zeros((8, 8, 2), np.float32)
embedding[:4, :, 0] = embedding[4:, :, 1] = 1
labels = partition_embedding(embedding, OFFSETS_2D, None, PartitionConfig())
print(napari_grd.__file__, labels.max(), PlaneLabels(labels).box(2))
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
    assert rest == ["2 (4, 0, 8, 8)\n"]
