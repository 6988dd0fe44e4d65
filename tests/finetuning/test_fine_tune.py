"""Learning from a few known pixels: what it changes, and what it must not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_grd.config import FineTuneConfig, NetworkConfig, TrainConfig
from napari_grd.data.dataset import Batch
from napari_grd.data.simulate import cells_2d, nuclei_2d
from napari_grd.distillation.objective import Objective
from napari_grd.errors import ConfigError, LabelError
from napari_grd.finetuning import fine_tune
from napari_grd.finetuning.fine_tune import LEARN, _windows, iter_fit_known
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.hub import builtin_paths, load_model
from napari_grd.inference.segment import predict
from napari_grd.jobs import FileSaved, Progress, StepMetrics, drain
from napari_grd.models import Model, ModelConfig

Sparse = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
QUICK = FineTuneConfig(seconds=None, steps=3, batch=2, patch=32, device="cpu")


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model.create(ModelConfig(network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8), object_diameter=26))


@pytest.fixture(scope="module")
def sparse() -> Sparse:
    """Cells, four of them known with a rim of background around."""
    image, labels = cells_2d(np.random.default_rng(0), (96, 96), gaps=0.4)
    known = np.where(np.isin(labels, np.unique(labels)[1:5]), labels.astype(np.int64), -1)
    known[:6] = np.where(labels[:6] == 0, 0, known[:6])
    return image[None], known


@pytest.fixture(autouse=True)
def few_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tune, "IMAGES", 3)


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def test_statistics_are_frozen_and_weights_are_not(model: Model, sparse: Sparse) -> None:
    before = weights(model)
    after = weights(drain(iter_fit_known(model, [sparse[0]], [sparse[1]], QUICK)))
    statistics = [name for name in before if "running" in name or "batches" in name]
    assert statistics
    for name in statistics:
        assert torch.equal(before[name], after[name]), name
    assert any(not torch.equal(before[name], after[name]) for name in before if name not in statistics)


def test_the_model_that_learned_is_another(model: Model, sparse: Sparse, tmp_path: Path) -> None:
    before = weights(model)
    events: list[Any] = []
    tuned = drain(iter_fit_known(model, [sparse[0]], [sparse[1]], QUICK, out_dir=tmp_path), events.append)
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())
    assert tuned.card.recipe["fine_tune"]["steps_taken"] == 3
    assert tuned.config == model.config
    saved = [event.path for event in events if isinstance(event, FileSaved)]
    assert load_model(saved[0]).card == tuned.card


def test_the_same_seed_gives_the_same_weights(model: Model, sparse: Sparse) -> None:
    first, second, other = (
        weights(drain(iter_fit_known(model, [sparse[0]], [sparse[1]], QUICK.replace(seed=seed)))) for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_ignored_pixels_have_no_gradient() -> None:
    torch.manual_seed(0)
    labels = torch.full((1, 40, 40), -1)
    labels[0, 10:30, 10:30] = 0
    labels[0, 14:20, 14:26], labels[0, 20:26, 14:26] = 1, 2
    embedding = torch.randn(1, 8, 40, 40, requires_grad=True)
    logit = torch.randn(1, 40, 40, requires_grad=True)
    batch = Batch(torch.zeros(1, 1, 40, 40), labels, None, (0,))
    objective = Objective(TrainConfig(), OFFSETS_2D, normalize="valid")
    objective(embedding, logit, batch, 0)["loss"].backward()
    assert embedding.grad is not None
    assert logit.grad is not None
    unknown = labels < 0
    assert (embedding.grad.abs().sum(1)[unknown] == 0).all()
    assert (logit.grad[unknown] == 0).all()
    assert (logit.grad[~unknown] != 0).all()


def test_what_is_unknown_does_not_matter(model: Model, sparse: Sparse) -> None:
    """The weights are the same whatever lies under unknown pixels is called in the labels' own numbers."""
    image, known = sparse
    renumbered = np.where(known > 0, known + 100, known)
    one, two = (drain(iter_fit_known(model, [image], [labels], QUICK)) for labels in (known, renumbered))
    assert all(torch.equal(value, weights(two)[name]) for name, value in weights(one).items())


def test_replay_forgets_less(sparse: Sparse) -> None:
    nuclei = load_model(builtin_paths()["nuclei"])
    seen, _ = nuclei_2d(np.random.default_rng(1), (128, 128))
    config = FineTuneConfig(seconds=None, steps=12, batch=4, patch=64, device="cpu", lr=3e-3)
    change = []
    for share in (0.0, 0.5):
        tuned = drain(iter_fit_known(nuclei, [sparse[0]], [sparse[1]], config.replace(rehearsal=share)))
        first, second = (predict(one, seen).foreground for one in (nuclei, tuned))
        assert first is not None
        assert second is not None
        change.append(float(np.abs(first - second).mean()))
    assert change[1] < 0.7 * change[0]


def test_images_of_ones_own_are_rehearsed(model: Model, sparse: Sparse) -> None:
    own = [nuclei_2d(np.random.default_rng(seed), (64, 64))[0] for seed in range(2)]
    simulated, given = (drain(iter_fit_known(model, [sparse[0]], [sparse[1]], QUICK, rehearsal=r)) for r in (None, own))
    assert any(not torch.equal(value, weights(given)[name]) for name, value in weights(simulated).items())


def test_it_ends_in_time(model: Model, sparse: Sparse) -> None:
    events: list[Any] = []
    config = QUICK.replace(seconds=1.0, steps=100_000)
    tuned = drain(iter_fit_known(model, [sparse[0]], [sparse[1]], config), events.append)
    assert tuned.card.recipe["fine_tune"]["steps_taken"] < 100_000
    bar = [event for event in events if isinstance(event, Progress) and event.stage == LEARN]
    assert bar[-1].over
    assert [event.share for event in bar] == sorted(event.share for event in bar)
    assert all(event.left is not None and event.left <= 1.0 for event in bar)
    assert any(isinstance(event, StepMetrics) for event in events)


def test_it_can_be_cancelled(model: Model, sparse: Sparse) -> None:
    before, threads = weights(model), torch.get_num_threads()
    job = iter_fit_known(model, [sparse[0]], [sparse[1]], QUICK.replace(steps=1000, threads=1))
    while not (isinstance(event := next(job), Progress) and event.stage == LEARN):
        assert event is not None
    job.close()
    assert torch.get_num_threads() == threads
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


def test_color_images_are_rehearsed_too(sparse: Sparse) -> None:
    model = Model.create(ModelConfig(network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8), in_channels=3))
    image = np.repeat(sparse[0], 3, axis=0)
    assert drain(iter_fit_known(model, [image], [sparse[1]], QUICK)).config.in_channels == 3


@pytest.mark.parametrize("known", [-1, 0])
def test_no_known_object_is_an_error(model: Model, sparse: Sparse, known: int) -> None:
    with pytest.raises(LabelError, match="known object"):
        drain(iter_fit_known(model, [sparse[0]], [np.full((96, 96), known)], QUICK))


def test_a_rate_that_is_too_high_is_named(model: Model, sparse: Sparse) -> None:
    with pytest.raises(ConfigError, match="lr"):
        drain(iter_fit_known(model, [sparse[0]], [sparse[1]], QUICK.replace(lr=1e30, steps=20)))


def test_the_image_is_seen_at_the_size_that_it_is_segmented_at(model: Model) -> None:
    image, labels = nuclei_2d(np.random.default_rng(0), (160, 160))
    large, known = (np.kron(plane, np.ones((3, 3), plane.dtype)) for plane in (image, labels.astype(np.int64)))
    known[known != known[known > 0][0]] = -1
    knowing = replace(model, config=model.config.replace(object_diameter=19.0, contrast="bright"))
    config = QUICK.replace(patch=64)
    areas = {
        size: sum(int((window.labels > 0).sum()) for window in _windows(knowing, [large[None]], [known], config))
        for size, config in ((size, config.replace(object_diameter=size)) for size in ("auto", 57.0, None))
    }
    assert areas["auto"] == pytest.approx(areas[57.0], rel=0.5)
    assert areas[None] > 4 * areas["auto"]
