"""Any function teaches; what it gets wrong is said with its name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_grd.errors import ConfigError, GrdError, LabelError
from napari_grd.teaching import function as adapter
from napari_grd.teaching.base import Teacher, TeacherPrediction
from napari_grd.teaching.function import FunctionTeacher
from napari_grd.teaching.registry import as_teacher, load_teacher

GRAY = np.arange(42, dtype=np.uint16).reshape(1, 6, 7)
RGB = np.concatenate([GRAY, GRAY + 1, GRAY + 2])


def bright(image: NDArray[Any]) -> NDArray[np.int64]:
    return (image > 20).astype(int)


def test_a_function_teaches() -> None:
    for teacher in (as_teacher(bright), load_teacher("callable", function=bright), FunctionTeacher(bright)):
        assert isinstance(teacher, Teacher)
        assert teacher.name == "bright"
        assert not teacher.gives_embeddings
        prediction = teacher.predict(GRAY)
        assert prediction.labels.dtype == np.uint32
        np.testing.assert_array_equal(prediction.labels, GRAY[0] > 20)


@pytest.mark.parametrize(
    ("image", "axes", "shape"),
    [
        (GRAY, None, (6, 7)),
        (RGB, None, (6, 7, 3)),
        (GRAY, "yxc", (6, 7, 1)),
        (RGB, "cyx", (3, 6, 7)),
        (GRAY[:, None], None, (1, 6, 7)),
        (RGB[:, None], "zyxc", (1, 6, 7, 3)),
    ],
)
def test_it_gets_the_axes_it_wants(image: NDArray[Any], axes: str | None, shape: tuple[int, ...]) -> None:
    seen = []

    def look(view: NDArray[Any]) -> NDArray[np.uint8]:
        seen.append(view.shape)
        view[...] = 0  # its own copy
        return np.zeros(image.shape[1:], np.uint8)

    FunctionTeacher(look, axes=axes).predict(image)
    assert seen == [shape]
    assert image.any()


@pytest.mark.parametrize(("image", "axes"), [(RGB, "yx"), (GRAY, "zyx"), (GRAY[:, None], "yxc")])
def test_an_image_it_does_not_want(image: NDArray[Any], axes: str) -> None:
    with pytest.raises(GrdError, match=rf"'bright' takes images '{axes}'"):
        FunctionTeacher(bright, axes=axes).predict(image)


def test_it_may_say_more_than_labels() -> None:
    probability = np.full((6, 7), 0.25)
    found = FunctionTeacher(lambda image: (bright(image), probability)).predict(GRAY)
    assert found.foreground is not None
    assert found.foreground.dtype == np.float32
    whole = TeacherPrediction(np.zeros((6, 7), np.uint32))
    assert FunctionTeacher(lambda image: whole).predict(GRAY) is whole


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "returned nothing"),
        (np.zeros((6, 7)), r"shape \(6, 7\) and type float64.*values of type float64"),
        (np.zeros((6, 8), int), r"shape \(6, 8\) and type int64.*have shape \(6, 8\)"),
        (np.full((6, 7), -1), "negative number -1"),
        (np.ones((6, 7), bool), "mask"),
        ("labels", "returned a str"),
        ((np.zeros((6, 7), int), np.zeros((3, 3))), "foreground of spatial shape"),
        ((np.zeros((6, 7), int), "high"), "returned a tuple: could not convert"),
    ],
)
def test_what_is_no_answer(answer: Any, words: str) -> None:
    with pytest.raises(LabelError, match=rf"The function .*{words}"):
        FunctionTeacher(lambda image: answer).predict(GRAY)


def test_its_own_errors_are_told() -> None:
    def fail(image: NDArray[Any]) -> None:
        raise KeyError("no such model")

    with pytest.raises(GrdError, match=r"fail' fails on an image of shape \(6, 7\) and type uint16.*no such model"):
        FunctionTeacher(fail).predict(GRAY)


SOURCE = "import numpy as np\n\ndef segment(image):\n    return (image > {}).astype(int)\n"


def test_a_file_or_a_module_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my_script.py"
    path.write_text(SOURCE.format(20))
    for source in (f"{path}:segment", "my_script:segment"):
        monkeypatch.syspath_prepend(tmp_path)
        teacher = as_teacher(source)
        assert teacher.name == "segment"
        np.testing.assert_array_equal(teacher.predict(GRAY).labels, bright(GRAY[0]))


def test_what_cannot_be_found(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import not_there")
    wrong: dict[str, tuple[type[GrdError], str]] = {
        "numpy:segment": (ConfigError, "'numpy' has no function 'segment'"),
        "not_there:segment": (GrdError, "No module named 'not_there'"),
        f"{broken}:segment": (GrdError, r"broken\.py', the module of .* ModuleNotFoundError"),
        f"{tmp_path}/absent.py:segment": (ConfigError, "no file"),
        "numpy": (ConfigError, "'numpy' does not name a function"),
    }
    for source, (error, words) in wrong.items():
        with pytest.raises(error, match=words):
            adapter.load(source)
    with pytest.raises(ConfigError, match="A int is not a function"):
        FunctionTeacher(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'xy' are unknown"):
        FunctionTeacher(bright, axes="xy")


def test_the_fingerprint_follows_what_is_known_of_a_function(tmp_path: Path) -> None:
    def of(source: Callable[..., Any] | str, **options: str) -> str:
        return adapter.load(source, **options).fingerprint

    path = tmp_path / "a.py"
    path.write_text(SOURCE.format(20))
    first = of(f"{path}:segment")
    assert first == of(f"{path}:segment") != of(f"{path}:segment", axes="yx")
    changed = tmp_path / "b" / "a.py"
    changed.parent.mkdir()
    changed.write_text(SOURCE.format(21))
    assert of(f"{changed}:segment") != first

    threshold = 20

    def closure(image: NDArray[Any]) -> NDArray[Any]:
        return (image > threshold).astype(int)

    for unknown in (closure, np.abs, type("Net", (), {"__call__": bright})()):
        assert of(unknown) != of(unknown)
        assert of(unknown, version="1") == of(unknown, version="1") != of(unknown, version="2")
