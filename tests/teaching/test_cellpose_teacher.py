"""Cellpose teaches: its real network under random weights, and a perfect network in its real post-processing.

Runs with the version that is installed: 4 beside everything else, 3 in the tox
environment ``cellpose3``.
"""

import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit

from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ConfigError, ImageError, ModelFileError
from napari_grd.graph.affinities import affinities_from_labels, valid_mask
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.metrics.scores import evaluate
from napari_grd.teaching import cellpose as adapter
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.prediction_check import check_prediction
from napari_grd.teaching.registry import load_teacher

FOUR = int(version("cellpose").split(".")[0]) >= 4
IMAGE, LABELS = nuclei_2d(np.random.default_rng(0), (96, 112))


@pytest.fixture(scope="module", autouse=True)
def cellpose_models() -> Iterator[ModuleType]:
    """Cellpose, with stand-ins for torchvision: it needs names of it, but calls none of them to segment."""
    with pytest.MonkeyPatch.context() as patch:
        functions = {
            "transforms.functional": ("resize", "to_pil_image"),
            "transforms._functional_tensor": (),
            "ops.boxes": ("batched_nms", "box_area"),
        }
        for name in ("torchvision", "torchvision.transforms", "torchvision.ops", *functions):
            full = name if name.startswith("torchvision") else f"torchvision.{name}"
            module = ModuleType(full)
            for function in functions.get(name, ()):
                setattr(module, function, None)
            patch.setitem(sys.modules, full, module)
            parent, _, child = full.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
        import cellpose.models

        yield cellpose.models
    for name in [name for name in sys.modules if name.split(".")[0] in ("cellpose", "segment_anything")]:
        del sys.modules[name]  # what was imported with stand-ins is of no use to others


@pytest.fixture(scope="module")
def weights(cellpose_models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of random weights; version 4 gets a transformer of two narrow layers instead of 24 wide ones."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random"
    with pytest.MonkeyPatch.context() as patch:
        if FOUR:
            from cellpose.vit import CPSAM, sam_model_registry

            build = sys.modules["segment_anything.build_sam"]._build_sam
            patch.setitem(sam_model_registry, "vit_l", lambda checkpoint: build(32, 2, 2, [0, 1], checkpoint))
            network = CPSAM()
        else:
            from cellpose.resnet_torch import CPnet

            network = CPnet([2, 32, 64, 128, 256], 3, 3)
        network.save_model(str(path))
        yield path


@pytest.fixture(scope="module")
def teacher(weights: Path) -> adapter.CellposeTeacher:
    return adapter.load(weights, cellprob_threshold=-1, flow_threshold=0, gpu=False)


def test_it_says_what_it_is() -> None:
    info = adapter.info()
    assert info.available, info.reason
    assert "Non-commercial" in info.restrictions


@pytest.mark.parametrize("channels", [1, 3])
def test_the_real_network_answers(teacher: adapter.CellposeTeacher, channels: int) -> None:
    image = np.stack([IMAGE] * channels)
    assert isinstance(teacher, Teacher)
    prediction = teacher.predict(image)
    check_prediction(prediction, LABELS.shape)
    assert prediction.foreground is not None
    assert prediction.affinities is not None
    # The same network without the adapter.
    x = (image if FOUR else image.mean(0, keepdims=True)).transpose(1, 2, 0).astype(np.float32)
    masks, flows, _ = teacher._model.eval(x, channel_axis=2, cellprob_threshold=-1, flow_threshold=0)
    np.testing.assert_array_equal(prediction.labels, masks)
    # One half is the threshold given to Cellpose.
    np.testing.assert_allclose(prediction.foreground, expit(flows[2] + 1), rtol=1e-5)


def test_flows_and_probability_become_labels_and_affinities(
    teacher: adapter.CellposeTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cellpose.dynamics import labels_to_flows

    flows = labels_to_flows([LABELS.astype(np.int32)], device=torch.device("cpu"))[0][2:]

    def perfect(x: NDArray[Any], **_: Any) -> tuple[NDArray[Any], ...]:
        return 5 * np.asarray(flows)[:, None], np.where(LABELS > 0, 9.0, -9.0)[None], np.zeros(256)

    monkeypatch.setattr(teacher._model, "_run_net", perfect)
    prediction = teacher.predict(IMAGE[None])
    assert evaluate(reference=LABELS, labels=prediction.labels).ap50 == 1
    expected = affinities_from_labels(torch.from_numpy(LABELS.astype(np.int64))[None], OFFSETS_2D)[0].numpy()
    valid = valid_mask(LABELS.shape, OFFSETS_2D).numpy()
    assert prediction.affinities is not None
    assert ((prediction.affinities > 0.5) == (expected > 0.5))[valid].mean() > 0.99
    assert np.abs(prediction.affinities - expected)[valid].mean() < 0.02


def test_the_fingerprint_follows_weights_and_settings(weights: Path, tmp_path: Path) -> None:
    copy, changed = tmp_path / "copy", tmp_path / "changed"
    shutil.copy(weights, copy)
    state = torch.load(weights)
    torch.save(state | {"out.bias" if FOUR else "output.2.bias": torch.ones(192 if FOUR else 3)}, changed)
    same = {adapter.load(path, diameter=20).fingerprint for path in (weights, copy)}
    assert len(same) == 1
    others = {adapter.load(changed, diameter=20).fingerprint, adapter.load(weights).fingerprint}
    assert len(others | same) == 3


def test_restrictions_are_those_of_the_weights(weights: Path, tmp_path: Path) -> None:
    assert "Non-commercial" in adapter.load(weights).restrictions
    free = tmp_path / "yeast_BF_cp3"
    shutil.copy(weights, free)
    assert adapter.load(free).restrictions == ""


def test_nothing_is_downloaded_unasked(
    cellpose_models: ModuleType, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(name: str) -> str:
        raise OSError("no network")

    name = cellpose_models.MODEL_NAMES[0]
    monkeypatch.setattr(cellpose_models, "MODEL_DIR", tmp_path)
    monkeypatch.setattr(cellpose_models, "cache_model_path", offline)
    with pytest.raises(ModelFileError, match=rf"{name}'.*{tmp_path}.*is missing.*https://.*/{name}.*download=True"):
        load_teacher("cellpose")
    with pytest.raises(ModelFileError, match=r"cannot be downloaded \(no network\)"):
        load_teacher("cellpose", download=True)
    shutil.copy(weights, tmp_path / name)
    assert load_teacher("cellpose").name == f"cellpose {name}"


def test_unknown_and_foreign_weights(cellpose_models: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"named 'cyto9'.*{cellpose_models.MODEL_NAMES[0]}"):
        adapter.load("cyto9")
    other = tmp_path / "other"
    torch.save({} if FOUR else {"W2": torch.zeros(1)}, other)
    with pytest.raises(ModelFileError, match=r"(?s)cannot load .*other.*incompatible"):
        adapter.load(other)
    other.write_text("no weights")
    with pytest.raises(ModelFileError, match="cannot load"):
        adapter.load(other)


def test_channels_are_checked(weights: Path, teacher: adapter.CellposeTeacher) -> None:
    with pytest.raises(ConfigError, match="4 channels were chosen"):
        adapter.load(weights, channels=(0, 1, 2, 3))
    chosen = adapter.load(weights, channels=(1,), cellprob_threshold=-1, flow_threshold=0, gpu=False)
    with pytest.raises(ImageError, match="the image has 1"):
        chosen.predict(IMAGE[None])
    with pytest.raises(ImageError, match="planes"):
        teacher.predict(IMAGE[None, None])
    other = np.stack([np.zeros_like(IMAGE), IMAGE])
    np.testing.assert_array_equal(chosen.predict(other).foreground, teacher.predict(IMAGE[None]).foreground)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'cellpose'", name="cellpose"), 'pip install "napari-grd[cellpose]"'),
        (ModuleNotFoundError("No module named 'torchvision'", name="torchvision"), "torchvision"),
        (RuntimeError("operator torchvision::nms does not exist"), "RuntimeError: operator torchvision::nms"),
    ],
)
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(adapter, "_models", fail)
    info = adapter.info()
    assert not info.available
    assert info.reason is not None
    assert words in info.reason
