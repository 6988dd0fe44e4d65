"""A teacher in a process of its own: its answers, its errors, its death."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_grd.errors import GrdError, ImageError
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.subprocess_teacher import SubprocessTeacher

SOURCE = """
import os
import numpy as np
from napari_grd.errors import ImageError
from napari_grd.teaching.base import TeacherPrediction

class Other:
    gives_embeddings = False
    restrictions = "Not for sale."

    def __init__(self, threshold):
        print("libraries print what they like")
        self.name, self.fingerprint, self.threshold = "other", str(threshold), threshold

    def predict(self, image):
        if image.ndim != 3:
            raise ImageError(f"It has {image.ndim} axes.", "Give it three.")
        if image.max() == 99:
            raise MemoryError("too much")
        if image.max() == 100:
            os._exit(7)
        return TeacherPrediction((image[0] > self.threshold).astype(np.uint32))

def load_here(threshold):
    if threshold < 0:
        raise ImageError("below zero", "raise it")
    return Other(threshold)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "other_program.py").write_text(SOURCE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return "other_program"


@pytest.fixture
def teacher(module: str) -> SubprocessTeacher:
    return SubprocessTeacher(module, {"threshold": 5})


def test_it_answers(teacher: SubprocessTeacher) -> None:
    assert isinstance(teacher, Teacher)
    assert (teacher.name, teacher.fingerprint, teacher.restrictions) == ("other", "5", "Not for sale.")
    for _ in range(2):
        np.testing.assert_array_equal(teacher.predict(np.array([[[3, 7]]])).labels, [[0, 1]])


def test_its_errors_are_ours_and_it_goes_on(teacher: SubprocessTeacher) -> None:
    with pytest.raises(ImageError, match=r"It has 2 axes\. Give it three"):
        teacher.predict(np.zeros((2, 2)))
    with pytest.raises(GrdError, match="fails with MemoryError: too much"):
        teacher.predict(np.full((1, 2, 2), 99))
    assert teacher.predict(np.full((1, 2, 2), 6)).labels.all()


def test_its_death_is_told(teacher: SubprocessTeacher) -> None:
    with pytest.raises(GrdError, match=r"process has ended \(code 7\)"):
        teacher.predict(np.full((1, 2, 2), 100))


@pytest.mark.parametrize(("name", "message"), [("other_program", "below zero"), ("no_program", "No module named")])
def test_what_cannot_be_loaded(module: str, name: str, message: str) -> None:
    with pytest.raises(GrdError, match=message):
        SubprocessTeacher(name, {"threshold": -1})


def test_its_process_ends_with_it(teacher: SubprocessTeacher) -> None:
    process: Any = teacher._process
    teacher._end()
    assert process.poll() is not None


def test_code_in_the_working_folder_is_not_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("numpy", "pickle", "struct", "random", "tempfile", "napari_grd"):
        (images / f"{name}.py").write_text("open('ran', 'w').close(); raise SystemExit('somebody else's code')")
    monkeypatch.chdir(images)
    assert SubprocessTeacher(module, {"threshold": 5}).name == "other"
    assert not (images / "ran").exists()
