"""A process with the plugin's widgets open ends without a word, however it is ended.

PySide looks up the classes of Qt without a lock while it paints: a class that another thread defines at that moment
ends the process, seldom, and without a trace.
"""

import subprocess
import sys

import pytest

SCRIPT = """
import builtins
import sys
import threading

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest

build = builtins.__build_class__

def watched(*arguments, **keywords):
    made = build(*arguments, **keywords)
    if threading.current_thread() is not threading.main_thread() and type(made).__module__ == "Shiboken":
        print("Traceback:", made, "is defined in a worker", file=sys.stderr)
    return made

builtins.__build_class__ = watched
viewer = napari.Viewer()
viewer.add_image(np.random.default_rng(0).random((64, 64)))
for name in ("Live", "Distill", "Inspect", "Measure", "Evaluate", "Correct"):
    _, correct = viewer.window.add_plugin_dock_widget("napari-grd", name)
"""
WORKED = "QTest.qWait(5000)\n"  # workers have loaded torch and the plots
TOOLS = """
viewer.add_labels(np.ones((64, 64), int))
correct.start.click()
while correct.toolbox.session is None:
    QTest.qWait(50)
"""
ENDS = {
    "by closing the window": WORKED + "QTimer.singleShot(100, viewer.close)\nnapari.run()",
    "as a script": WORKED + "viewer.close()",
    "while labels are corrected": TOOLS,
    "while workers load": "QTest.qWait(300)\nviewer.close()",
}


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_quietly(end: str) -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT + ENDS[end]], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
