"""A process with the plugin's widgets open ends without a word, however it is ended."""

import subprocess
import sys

import pytest

SCRIPT = """
import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest

viewer = napari.Viewer()
viewer.add_image(np.random.default_rng(0).random((64, 64)))
for name in ("Live", "Distill", "Correct"):
    viewer.window.add_plugin_dock_widget("napari-grd", name)
"""
WORKED = "QTest.qWait(5000)\n"  # workers have loaded torch and the plots
ENDS = {
    "by closing the window": WORKED + "QTimer.singleShot(100, viewer.close)\nnapari.run()",
    "as a script": WORKED + "viewer.close()",
    "while workers load": "QTest.qWait(300)\nviewer.close()",
}


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_quietly(end: str) -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT + ENDS[end]], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
