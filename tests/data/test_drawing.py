"""Batches drawn ahead equal those drawn one by one."""

import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_grd.config import AugmentConfig
from napari_grd.data.dataset import Example, PatchSampler, TeacherLayout
from napari_grd.data.drawing import can_start_processes, draw
from napari_grd.errors import ImageError


def sampler(teacher: object = None) -> PatchSampler:
    rng = np.random.default_rng(0)
    examples = [
        Example(str(i), rng.random((1, 64, 64), np.float32), rng.integers(0, 3, (64, 64)), teacher) for i in range(3)
    ]
    layout = None if teacher is None else TeacherLayout(foreground=True)
    return PatchSampler(examples, batch=2, patch=32, augment=AugmentConfig(), seed=5, layout=layout)


def test_processes_draw_the_same_batches_in_the_same_order() -> None:
    ahead = list(draw(sampler(), 3, 9, rank=1, workers=2))
    assert len(ahead) == 6
    for step, batch in enumerate(ahead, start=3):
        wanted = sampler().batch(step, 1)
        assert batch.sources == wanted.sources
        assert torch.equal(batch.image, wanted.image)
        assert torch.equal(batch.labels, wanted.labels)


def test_an_error_in_a_process_arrives_as_it_was_raised() -> None:
    damaged = sampler(np.zeros((1, 8, 8), np.float32))
    with pytest.raises(ImageError) as caught:
        list(draw(damaged, 0, 2, workers=1))
    with pytest.raises(ImageError) as wanted:
        damaged.batch(0)
    assert str(caught.value) == str(wanted.value)


SCRIPT = """
import numpy as np
from napari_grd.config import AugmentConfig
from napari_grd.data.dataset import Example, PatchSampler
from napari_grd.data.drawing import draw
image = np.zeros((1, 512, 512), np.float32)
sampler = PatchSampler([Example("a", image, image[0].astype(int))], batch=1, patch=32, augment=AugmentConfig(), seed=0)
print(next(draw(sampler, 0, 9, workers=1)))
"""


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert run.returncode == 1
    assert "napari_grd.errors.GrdError: A process that draws patches ended" in run.stderr


def test_closing_ends_the_processes(capfd: pytest.CaptureFixture[str]) -> None:
    # Batches so large that some are being sent, which once aborted a process, and the one that closed failed.
    before = set(multiprocessing.active_children())
    example = Example("large", np.zeros((1, 192, 192), np.float32), np.zeros((192, 192), int))
    batches = draw(PatchSampler([example], batch=8, patch=192, augment=AugmentConfig(), seed=5), 0, 1000, workers=2)
    for _ in range(6):
        next(batches)
    assert set(multiprocessing.active_children()) - before
    batches.close()
    assert set(multiprocessing.active_children()) == before
    assert capfd.readouterr().err == ""


def test_no_process_is_started_from_a_thread_or_a_notebook() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(can_start_processes()))
    thread.start()
    thread.join()
    assert found == [False]
    command = "from napari_grd.data.drawing import can_start_processes; print(can_start_processes())"
    run = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"  # as in a notebook, there is no file that a process could import
