"""Packages of the zoo that would run, fetch or overwrite something are refused before they do."""

import hashlib
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from napari_grd.errors import ConfigError, GrdError, ModelFileError
from napari_grd.teaching.bioimageio.teacher import load

Edit = Callable[[dict[str, Any]], Any]


def edited(folder: Path, edit: Edit) -> Path:
    """Change the description of a package."""
    path = folder / "bioimageio.yaml"
    content = yaml.safe_load(path.read_text())
    edit(content)
    path.write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the network fails the test."""
    import httpx

    def refuse(*args: Any, **kwargs: Any) -> None:
        pytest.fail("the network was asked")

    for name in ("get", "stream", "request", "head"):
        monkeypatch.setattr(httpx, name, refuse)


ARCHITECTURE = """
from pathlib import Path
from torch import nn
Path({marker!r}).touch()
class Net(nn.Module):
    def forward(self, x):
        return x
"""


def with_architecture(folder: Path, marker: Path) -> Path:
    """A state_dict with Python that builds its network, and leaves a mark when it runs."""
    source = folder / "architecture.py"
    source.write_text(ARCHITECTURE.format(marker=str(marker)))
    torch.save({}, folder / "weights.state")
    entry = {
        "source": "weights.state",
        "pytorch_version": "2.5.1",
        "architecture": {
            "callable": "Net",
            "source": "architecture.py",
            "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        },
    }
    return edited(folder, lambda content: content.update(weights={"pytorch_state_dict": entry}))


def test_python_in_the_package_runs_only_if_trusted(make_zoo_model: Any, tmp_path: Path) -> None:
    folder, marker = make_zoo_model(), tmp_path / "it ran"
    with_architecture(folder, marker)
    with pytest.raises(GrdError, match=r"pytorch_state_dict can run Python code .*not opened.*trust_code=True"):
        load(folder)
    with pytest.raises(GrdError, match=r"pytorch_state_dict can run Python code"):
        load(folder, weights="pytorch_state_dict")
    assert not marker.exists()
    load(folder, trust_code=True)
    assert marker.exists()


@pytest.mark.parametrize("kind", ["keras_hdf5", "tensorflow_saved_model_bundle", "keras_v3"])
def test_weights_that_can_hold_code(make_zoo_model: Any, kind: str) -> None:
    folder = edited(make_zoo_model(), lambda content: content.update(weights={kind: {"source": "weights.pt"}}))
    with pytest.raises(GrdError, match=f"{kind} can run Python code"):
        load(folder)


def test_a_processing_step_of_its_own(make_zoo_model: Any) -> None:
    step = {"id": "custom", "source": "evil.py", "callable": "run", "kwargs": {}}
    for tensors, steps in (("inputs", "preprocessing"), ("outputs", "postprocessing")):
        folder = edited(make_zoo_model(), lambda content, a=tensors, b=steps: content[a][0].update({b: [step]}))
        with pytest.raises(GrdError, match=rf"needs Python code in its {steps} \('evil.py'\); it was not run"):
            load(folder)


def test_a_model_that_needs_another_model(make_zoo_model: Any) -> None:
    folder = edited(make_zoo_model(), lambda content: content["inputs"][0].update(output_of="affable-shark"))
    with pytest.raises(ModelFileError, match="output of another model as input, 'affable-shark'"):
        load(folder)


@pytest.mark.parametrize(
    "source", ["https://example.com/weights.pt", "/etc/passwd", "../secret.pt", "other.pt", "file:///etc/passwd"]
)
def test_weights_that_are_elsewhere(make_zoo_model: Any, source: str) -> None:
    folder = edited(make_zoo_model(), lambda content: content["weights"]["torchscript"].update(source=source))
    with pytest.raises(ModelFileError, match=r"which is not in the package.*download=True"):
        load(folder)


def test_covers_and_pages_elsewhere_are_not_asked_for(make_zoo_model: Any) -> None:
    pages = {"covers": ["https://example.com/a.png"], "documentation": "https://example.com/a.md"}
    load(edited(make_zoo_model(), lambda content: content.update(pages)))


def test_weights_that_are_not_those_described(make_zoo_model: Any) -> None:
    folder = make_zoo_model()
    with (folder / "weights.pt").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelFileError, match=r"'weights.pt'.* is not the file that is described.*sha256"):
        load(folder)


class Writes(nn.Module):
    """TorchScript that writes a file, whenever it is run."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, self.path)
        return x


class Reads(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.from_file("/etc/passwd", False, 4).sum()


def test_torchscript_that_writes_or_reads_files(make_zoo_model: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"weights 'weights.pt' call 'save' .*not run.*trust_code=True"):
        load(make_zoo_model(network=Writes(str(tmp_path / "evil.pt"))), weights="torchscript")
    with pytest.raises(ModelFileError, match="call 'from_file'"):
        load(make_zoo_model(network=Reads()), weights="torchscript")
    assert not (tmp_path / "evil.pt").exists()


def test_torchscript_with_two_sources_of_one_name(make_zoo_model: Any) -> None:
    folder = make_zoo_model()
    path = folder / "weights.pt"
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
            if name.endswith(".py"):
                file.writestr(name.upper(), content)
    edited(folder, lambda content: content["weights"]["torchscript"].pop("sha256"))
    with pytest.raises(ModelFileError, match="name of another entry"):
        load(folder)


@pytest.mark.parametrize("content", [b"hello", b"\x80\x02c__builtin__\neval\n."])
def test_torchscript_that_is_none(make_zoo_model: Any, content: bytes) -> None:
    folder = make_zoo_model()
    (folder / "weights.pt").write_bytes(content)
    edited(folder, lambda content: content["weights"]["torchscript"].pop("sha256"))
    with pytest.raises(ModelFileError, match="not a zip file"):
        load(folder)


def test_onnx_that_is_none(make_zoo_model: Any) -> None:
    folder = make_zoo_model()
    (folder / "weights.onnx").write_bytes(b"hello")
    edited(folder, lambda content: content["weights"].update(onnx={"source": "weights.onnx", "opset_version": 17}))
    with pytest.raises(ModelFileError, match=r"onnx weights of .* cannot be loaded.*other weights"):
        load(folder, weights="onnx")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "does not have one"),
        ("[" * 900, "nested deeper"),
        (
            "a: &a [1]\n" + "\n".join(f"b{n}: &b{n} [*b{n - 1}, *b{n - 1}]" if n else "b0: &b0 [1]" for n in range(40)),
            "expa",
        ),
        ("a: &a [*a]", "expands to more"),
        ("a: !!python/object/apply:os.system [ls]", "has the tag .*python/object"),
        ("a: \0", "not YAML"),
        ("- 1", "does not have one 'name: value' per line"),
        ("1: 2", "does not have one"),
        ("type: dataset", "is not that of a model"),
        ("type: model\nweights: 3", "is not that of a model"),
    ],
)
def test_descriptions_that_are_none(make_zoo_model: Any, text: str, match: str) -> None:
    folder = make_zoo_model()
    (folder / "bioimageio.yaml").write_text(text)
    with pytest.raises(ModelFileError, match=match):
        load(folder)


def test_a_huge_description(make_zoo_model: Any) -> None:
    folder = make_zoo_model()
    (folder / "bioimageio.yaml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(ModelFileError, match=r"'bioimageio.yaml'.*larger than"):
        load(folder)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda c: c.pop("inputs"), "not one of a model of format.*inputs"),
        (lambda c: c.update(format_version="9.9"), "not one of a model of format|format_version"),
        (lambda c: c["inputs"].append({**c["inputs"][0], "id": "second"}), r"takes 2 images \(raw, second\)"),
        (lambda c: c.update(weights={"tensorflow_js": {"source": "a"}}), "none that are known; nothing here can run"),
        (lambda c: c.update(weights={"torchscript": "a"}), "none that are known"),
    ],
)
def test_descriptions_that_do_not_do(make_zoo_model: Any, edit: Edit, match: str) -> None:
    folder = edited(make_zoo_model(), edit)
    with pytest.raises(ModelFileError, match=match):
        load(folder)


def test_volumes(make_zoo_model: Any) -> None:
    def deepen(content: dict[str, Any]) -> None:
        for tensor in (content["inputs"][0], content["outputs"][0]):
            tensor["axes"].insert(2, {"type": "space", "id": "z", "size": 8})

    with pytest.raises(ModelFileError, match=r"works on images with the axes batch, channel, z, y, x.*single image"):
        load(edited(make_zoo_model(), deepen))


def test_an_id_needs_permission(tmp_path: Path, make_zoo_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GrdError, match=r"no file or folder 'affable-shark'.*download=True"):
        load("affable-shark")
    import bioimageio.core

    def fetch(source: str, *, output_path: Path, **_: Any) -> None:
        assert source == "affable-shark"
        with zipfile.ZipFile(output_path, "w") as file:
            for path in make_zoo_model().iterdir():
                file.write(path, path.name)

    monkeypatch.setattr(bioimageio.core, "save_bioimageio_package", fetch)
    assert load("affable-shark", download=True).name == "Tiny model"

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(bioimageio.core, "save_bioimageio_package", fail)
    with pytest.raises(GrdError, match=r"'affable-shark' cannot be fetched \(ConnectionError: no route\)"):
        load("affable-shark", download=True)


@pytest.mark.parametrize(
    ("names", "output", "expected"),
    [
        (("a",), {}, ("foreground",)),
        (("a",), {"data": {"type": "float32"}}, ("foreground_logit",)),
        (("a",), {"data": {"type": "float32"}, "description": "probability"}, ("foreground",)),
        (("a",), {"description": "logits"}, ("foreground_logit",)),
        (("a",), {"data": {"type": "float32"}, "postprocessing": [{"id": "sigmoid"}]}, ("foreground",)),
        (("a", "b"), {"description": "foreground and boundary"}, ("foreground", "boundary")),
        (("background", "nuclei"), {}, ("ignore", "foreground")),
        (("c0", "c1", "c2", "c3"), {"description": "pixel embedding"}, ("embedding",) * 4),
        (("x", "y", "z"), {"description": "flows and cell probability"}, ("flow", "flow", "foreground")),
        (("a",), {"id": "labels"}, ("label",)),
    ],
)
def test_what_names_tell(make_zoo_model: Any, names: Any, output: Any, expected: Any) -> None:
    recipe = load(make_zoo_model(names, output=output)).recipe
    assert recipe.channels == {output.get("id", "out"): expected}


@pytest.mark.parametrize(
    ("names", "output", "match"),
    [
        (("a", "b"), {}, r"is not clear from their names \('out': unknown\).*ZooRecipe.*kinds: foreground"),
        (("a", "b"), {"description": "affinities"}, "not enough: .*affinities need their offsets"),
        (("boundary",), {}, "not enough: .*cannot be computed from boundary"),
        (("background",), {}, "not enough: .*no output channel is used"),
    ],
)
def test_what_names_leave_open(make_zoo_model: Any, names: Any, output: Any, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        load(make_zoo_model(names, output=output))


def test_a_description_of_format_0_4(make_zoo_model: Any) -> None:
    folder = make_zoo_model()
    shape = {"min": [1, 1, 16, 16], "step": [0, 0, 1, 1]}
    reference = {"reference_tensor": "raw", "scale": [1, 1, 1, 1], "offset": [0, 0, 0, 0]}
    old = {
        "format_version": "0.4.10",
        "timestamp": "2020-01-01T00:00:00",
        "description": "old",
        "tags": [],
        "test_inputs": ["input.npy"],
        "test_outputs": ["output.npy"],
        "inputs": [{"name": "raw", "axes": "bcyx", "data_type": "float32", "shape": shape}],
        "outputs": [{"name": "out", "axes": "bcyx", "data_type": "float32", "shape": reference, "data_range": [0, 1]}],
    }
    teacher = load(edited(folder, lambda content: content.update(json.loads(json.dumps(old)))))
    assert teacher.in_channels == 1


def test_nothing_is_left_in_temporary_folders(
    make_zoo_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, place = make_zoo_model(), tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    with warnings.catch_warnings(action="error"):
        load(folder)
    assert not list(place.iterdir())
