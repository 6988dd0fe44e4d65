"""Teachers are found by name; a broken plugin is told of and breaks nothing."""

from importlib.metadata import EntryPoint
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_grd.config import NetworkConfig
from napari_grd.errors import ConfigError, GrdError, ModelFileError
from napari_grd.io.model_file import save_model
from napari_grd.models.model import Model, ModelCard, ModelConfig
from napari_grd.teaching import cellpose, embedding, function, labels, registry, stardist
from napari_grd.teaching.base import TeacherInfo, TeacherPrediction
from napari_grd.teaching.embedding import EmbeddingTeacher
from napari_grd.teaching.labels import LabelTeacher
from napari_grd.teaching.options import parse_options
from napari_grd.teaching.registry import as_teacher, load_teacher, options_of, teachers

OPTIONAL = ("cellpose", "stardist")  # there or not, as their packages are


class Blank:
    """A teacher that sees nothing."""

    name, gives_embeddings, fingerprint = "blank", False, "0"

    def predict(self, image: np.ndarray) -> TeacherPrediction:
        return TeacherPrediction(np.zeros(image.shape[1:], np.uint32))


def load_blank(shade: int = 0) -> Blank:
    return Blank()


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound plugin, one whose package is missing, one that is broken, and one that claims a built-in name."""
    modules = {
        "sound": SimpleNamespace(info=lambda: TeacherInfo("x", "Sees nothing."), load=load_blank),
        "absent": SimpleNamespace(
            info=lambda: TeacherInfo("absent", "", available=False, reason="pip install absent"), load=load_blank
        ),
    }

    class Point(EntryPoint):
        def load(self) -> Any:
            if self.value == "broken":
                raise RuntimeError("operator torchvision::nms does not exist")
            return modules[self.value]

    points = [
        Point(name, value, registry.GROUP)
        for name, value in (("blank", "sound"), ("absent", "absent"), ("broken", "broken"), ("model", "broken"))
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)


@pytest.fixture
def model() -> Model:
    config = ModelConfig(network=NetworkConfig(widths=(2, 2, 2, 2, 2), embedding=2))
    return Model.create(config, ModelCard(name="tiny"))


@pytest.mark.usefixtures("plugins")
def test_all_are_listed_and_the_reason_is_given() -> None:
    found = teachers()
    assert {name: info.available for name, info in found.items() if name not in OPTIONAL} == {
        "model": True,
        "labels": True,
        "several": True,
        "bioimageio": True,
        "callable": True,
        "blank": True,
        "absent": False,
        "broken": False,
    }
    assert all(info.name == name for name, info in found.items())
    assert found["absent"].reason == "pip install absent"
    assert "RuntimeError: operator torchvision::nms" in (found["broken"].reason or "")


@pytest.mark.usefixtures("plugins")
def test_a_plugin_is_loaded_with_its_options() -> None:
    assert load_teacher("blank", shade=3).name == "blank"
    with pytest.raises(ConfigError, match=r"'blank' cannot be loaded.*'color'"):
        load_teacher("blank", color=3)


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(("name", "words"), [("absent", "pip install absent"), ("broken", "torchvision")])
def test_an_unavailable_teacher_says_why(name: str, words: str) -> None:
    with pytest.raises(GrdError, match=rf"'{name}' is not available .*{words}"):
        load_teacher(name)


def test_an_unknown_teacher_and_missing_options() -> None:
    with pytest.raises(ConfigError, match=r"'modle'.*model, labels, cellpose, stardist, bioimageio, callable"):
        load_teacher("modle")
    with pytest.raises(ConfigError, match=r"missing a required argument: 'source'.*takes: source, object_diameter"):
        load_teacher("model")


def test_options_are_those_the_loader_takes() -> None:
    for module in (embedding, labels, cellpose, stardist, function):
        assert list(module.info().options) == list(signature(module.load).parameters)


@pytest.mark.parametrize(
    ("name", "texts", "values"),
    [
        ("cellpose", {"model": "cpsam", "channels": "0, 1", "gpu": "no"}, ("cpsam", (0, 1), False)),
        ("stardist", {"model": "nuclei", "percentiles": "1, 99", "nms_threshold": ".3"}, ("nuclei", (1, 99), 0.3)),
        ("callable", {"function": "file.py:segment", "axes": "yxc"}, ("file.py:segment", "yxc")),
    ],
)
def test_options_can_be_typed(name: str, texts: dict[str, str], values: tuple[Any, ...]) -> None:
    assert tuple(parse_options(name, options_of(name), texts).values()) == values


def test_a_model_or_its_file_becomes_a_teacher(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_model(model, tmp_path / "tiny")
    monkeypatch.setattr("napari_grd.hub.builtin_paths", lambda: {"builtin": path})
    monkeypatch.setattr(registry, "builtin_paths", lambda: {"builtin": path})
    made = [as_teacher(source) for source in (model, path, str(path), "builtin")]
    assert all(isinstance(teacher, EmbeddingTeacher) for teacher in made)
    assert len({teacher.fingerprint for teacher in made}) == 1
    assert as_teacher(made[0]) is made[0]


def test_a_folder_becomes_a_teacher_of_labels(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", np.ones((8, 9), np.uint8))
    assert isinstance(as_teacher(tmp_path), LabelTeacher)


@pytest.mark.usefixtures("plugins")
def test_the_name_of_a_plugin_becomes_a_teacher() -> None:
    assert as_teacher("blank").name == "blank"


def test_a_name_alone_says_what_a_teacher_needs() -> None:
    with pytest.raises(
        ConfigError, match=r"'callable' cannot be loaded.*'function'.*It takes: function, axes, version"
    ):
        as_teacher("callable")


def test_an_installed_package_adds_a_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What pip leaves behind: the package, and beside it its metadata with the entry point.
    (tmp_path / "their_package.py").write_text(THEIRS)
    metadata = tmp_path / "their_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[napari_grd.teachers]\ntheirs = their_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert teachers()["theirs"].summary == "Thresholds."
    image = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    for teacher in (as_teacher("theirs"), load_teacher("theirs", threshold=5)):
        np.testing.assert_array_equal(teacher.predict(image).labels, image[0] > 5)


THEIRS = """
from napari_grd.teaching.base import TeacherInfo
from napari_grd.teaching.function import FunctionTeacher


def info():
    return TeacherInfo("theirs", "Thresholds.", options={"threshold": "what counts as bright"})


def load(threshold: int = 5):
    return FunctionTeacher(lambda image: (image > threshold).astype(int), version=f"1 {threshold}")
"""


@pytest.mark.usefixtures("plugins")
def test_what_cannot_become_a_teacher(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"named 'nucleo'.*Teachers: model, labels, .*absent, blank, broken\..*Models: nuclei"
    ):
        as_teacher("nucleo")
    with pytest.raises(ConfigError, match="A int is not a teacher"):
        as_teacher(3)  # type: ignore[arg-type]
    (tmp_path / "a.txt").touch()
    with pytest.raises(ModelFileError):
        as_teacher(tmp_path / "a.txt")
