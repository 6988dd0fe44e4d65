"""Learning from a few known pixels: what it changes, and what it must not."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_grd.config import FineTuneConfig, NetworkConfig, SegmentConfig, TrainConfig
from napari_grd.data.dataset import Batch
from napari_grd.data.simulate import cells_2d, nuclei_2d
from napari_grd.errors import ConfigError, GrdWarning, LabelError
from napari_grd.finetuning import choice, fine_tune, learning
from napari_grd.finetuning.candidate import Candidate
from napari_grd.finetuning.clock import LEARN
from napari_grd.finetuning.fine_tune import iter_fit_known
from napari_grd.finetuning.result import tuned_config
from napari_grd.finetuning.sparse_objective import SparseObjective
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.hub import builtin_paths, load_model
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.segment import predict
from napari_grd.inference.view import resolve_view
from napari_grd.jobs import FileSaved, Notice, PreviewImages, Progress, StepMetrics, drain
from napari_grd.models.model import Model, ModelConfig

Sparse = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
QUICK = FineTuneConfig(seconds=None, steps=8, batch=2, patch=32, device="cpu")


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model.create(ModelConfig(network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8), object_diameter=26))


@pytest.fixture(scope="module")
def sparse() -> Sparse:
    """Cells, four of them known with a rim of background around."""
    image, labels = cells_2d(np.random.default_rng(0), (160, 160), gaps=0.4)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    inner = np.setdiff1d(labels, border)
    known = np.where(np.isin(labels, inner[:4]), labels.astype(np.int64), -1)
    around = ndimage.binary_dilation(known > 0, iterations=3)
    known[around & (labels == 0)] = 0
    return image[None], known


@pytest.fixture(autouse=True)
def few_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tune, "IMAGES", 3)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any change counts as a gain: a few steps of a random network gain nothing."""
    for module in (choice, learning):
        monkeypatch.setattr(module, "is_gain", lambda before, after: True)
    monkeypatch.setattr(learning, "mean_quality", lambda scores: 0.0)


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def learned(model: Any, images: Any, labels: Any, config: FineTuneConfig = QUICK, **options: Any) -> Model:
    """The result, whatever the warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GrdWarning)
        return drain(iter_fit_known(model, images, labels, config, **options), options.pop("on_event", None))


def test_statistics_are_frozen_and_weights_are_not(model: Model, sparse: Sparse, always: None) -> None:
    before = weights(model)
    after = weights(learned(model, [sparse[0]], [sparse[1]]))
    statistics = [name for name in before if "running" in name or "batches" in name]
    assert statistics
    for name in statistics:
        assert torch.equal(before[name], after[name]), name
    assert any(not torch.equal(before[name], after[name]) for name in before if name not in statistics)


def test_the_model_that_learned_is_another(model: Model, sparse: Sparse, tmp_path: Path, always: None) -> None:
    before = weights(model)
    events: list[Any] = []
    tuned = drain(iter_fit_known(model, [sparse[0]], [sparse[1]], QUICK, out_dir=tmp_path), events.append)
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())
    assert tuned.card.recipe["fine_tune"]["steps_taken"] >= 1
    saved = [event.path for event in events if isinstance(event, FileSaved)]
    assert load_model(saved[0]).card == tuned.card
    assert load_model(saved[0]).config == tuned.config


def test_the_same_seed_gives_the_same_weights(model: Model, sparse: Sparse, always: None) -> None:
    first, second, other = (
        weights(learned(model, [sparse[0]], [sparse[1]], QUICK.replace(seed=seed))) for seed in (1, 1, 2)
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
    objective = SparseObjective(TrainConfig(), OFFSETS_2D)
    objective(embedding, logit, batch, 0)["loss"].backward()
    assert embedding.grad is not None
    assert logit.grad is not None
    unknown = labels < 0
    assert (embedding.grad.abs().sum(1)[unknown] == 0).all()
    assert (logit.grad[unknown] == 0).all()
    assert (logit.grad[~unknown] != 0).all()


def test_what_is_unknown_does_not_matter(model: Model, sparse: Sparse, always: None) -> None:
    """The weights are the same whatever numbers the labels use."""
    image, known = sparse
    renumbered = np.where(known > 0, known + 100, known)
    one, two = (learned(model, [image], [labels]) for labels in (known, renumbered))
    assert all(torch.equal(value, weights(two)[name]) for name, value in weights(one).items())


def test_a_model_that_is_right_stays_as_it_is(tmp_path: Path) -> None:
    """In its own domain nothing can be gained, so the very model is returned, and it says so."""
    nuclei = load_model(builtin_paths()["nuclei"])
    image, labels = nuclei_2d(np.random.default_rng(1), (128, 128))
    known = np.where(np.isin(labels, np.unique(labels)[1:7]), labels.astype(np.int64), -1)
    events: list[Any] = []
    with pytest.warns(GrdWarning, match="Nothing was gained"):
        tuned = drain(iter_fit_known(nuclei, [image[None]], [known], QUICK), events.append)
    assert tuned is nuclei
    (scores,) = [event.values for event in events if isinstance(event, StepMetrics) and event.kind == "held-out"]
    assert scores["held-out AP50 before"] == scores["held-out AP50"]
    assert scores["held-out objects"] == 6


def test_a_scale_that_helps_is_learned_without_a_step() -> None:
    """Large nuclei: the model is right once they are seen at its scale, which the result carries."""
    nuclei = load_model(builtin_paths()["nuclei"])
    small, few = nuclei_2d(np.random.default_rng(1), (96, 96))
    image, labels = (np.kron(plane, np.ones((5, 5), plane.dtype)) for plane in (small, few.astype(np.int64)))
    image = -image.astype(np.float32)
    known = np.where(np.isin(labels, np.unique(labels)[1:7]), labels, -1)
    config = QUICK.replace(object_diameter="auto", lr=1e-7)
    edges = Model(nuclei.network, nuclei.config.replace(contrast="edges"), nuclei.card)  # estimates no size
    tuned = learned(edges, [-image[None]], [known], config)
    assert tuned.config.scale == pytest.approx(0.2 * 27.7 / 26, rel=0.35)
    source = ArraySource(image[None], "cyx", ndim=2, in_channels=1)
    assert resolve_view(source, tuned.config, SegmentConfig()).scale == tuned.config.scale
    assert resolve_view(source, tuned.config, SegmentConfig().as_known()).scale == tuned.config.scale
    found = predict(tuned, -image)
    assert found.scale == tuned.config.scale


def test_a_given_size_is_relative_to_the_objects_that_were_learned(model: Model) -> None:
    """They are 40 % smaller than the model's, so that the image is not rescaled: given their size, it is not either."""
    image, labels = nuclei_2d(np.random.default_rng(2), (128, 128))
    known = np.where(np.isin(labels, np.unique(labels)[1:7]), labels.astype(np.int64), -1)
    start = Model(model.network, model.config.replace(object_diameter=36), model.card)
    config = QUICK.replace(object_diameter=25)
    candidate = Candidate(start, [image[None]], [known], config)
    assert candidate.scale == 1
    learned_config = tuned_config(candidate)
    source = ArraySource(image[None], "cyx", ndim=2, in_channels=1)
    scales = [resolve_view(source, learned_config, SegmentConfig(object_diameter=size)).scale for size in (25, 50)]
    assert scales == [1, 0.5]
    kept = tuned_config(Candidate(start, [image[None]], [known], config.replace(mode="keep")))
    assert kept == start.config


def test_the_best_of_several_starts_is_chosen(model: Model) -> None:
    nuclei = load_model(builtin_paths()["nuclei"])
    image, labels = nuclei_2d(np.random.default_rng(2), (128, 128))
    known = np.where(np.isin(labels, np.unique(labels)[1:7]), labels.astype(np.int64), -1)
    events: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GrdWarning)
        tuned = drain(iter_fit_known([model, nuclei], [image[None]], [known], QUICK), events.append)
    assert tuned is nuclei
    said = [event.message for event in events if isinstance(event, Notice)]
    assert any(f"starts from {nuclei.card.name}" in message for message in said)


def test_the_first_start_is_kept_unless_another_is_clearly_better_and_nothing_gained_returns_the_best() -> None:
    nuclei = load_model(builtin_paths()["nuclei"])
    partition = nuclei.config.partition.replace(foreground_threshold=0.8)
    smaller = replace(nuclei, config=nuclei.config.replace(partition=partition)).with_card(name="smaller")
    image, labels = nuclei_2d(np.random.default_rng(2), (128, 128))
    known = np.where(np.isin(labels, np.unique(labels)[1:7]), labels.astype(np.int64), -1)
    events: list[Any] = []
    config = QUICK.replace(lr=1e-7)
    with pytest.warns(GrdWarning, match="The result is the model nuclei as it is"):
        tuned = drain(iter_fit_known([smaller, nuclei], [image[None]], [known], config), events.append)
    messages = [event.message for event in events if isinstance(event, Notice)]
    assert any(
        "starts from smaller (quality of the corrected objects before: smaller 0." in message for message in messages
    )
    assert tuned is nuclei


def test_a_single_object_is_learned_with_caution(sparse: Sparse) -> None:
    nuclei = load_model(builtin_paths()["nuclei"])
    one = np.where(sparse[1] == sparse[1].max(), sparse[1], -1)
    with pytest.warns(GrdWarning) as found:
        tuned = drain(iter_fit_known(nuclei, [sparse[0]], [one], QUICK.replace(steps=4)))
    assert any("one corrected object" in str(each.message) for each in found)
    if tuned is not nuclei:
        assert tuned.card.recipe["fine_tune"]["blend_taken"] == 0.5
        assert tuned.card.scores == {}


def test_objects_at_the_border_only_are_named(model: Model) -> None:
    image, labels = cells_2d(np.random.default_rng(0), (96, 96))
    border = np.unique(labels[0])
    known = np.where(np.isin(labels, border[border > 0][:3]), labels.astype(np.int64), -1)
    with pytest.warns(GrdWarning) as found:
        drain(iter_fit_known(model, [image[None]], [known], QUICK))
    assert any("touch the border" in str(one.message) for one in found)


def test_a_model_of_use_rehearses_the_image_and_one_of_no_use_nothing(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    nuclei = load_model(builtin_paths()["nuclei"])
    image, labels = nuclei_2d(np.random.default_rng(1), (128, 128))
    known = np.where(np.isin(labels, np.unique(labels)[1:7]), labels.astype(np.int64), -1)
    rehearsed = []
    for start in (nuclei, model):
        events: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GrdWarning)
            drain(iter_fit_known(start, [image[None]], [known], QUICK), events.append)
        terms = [event.values for event in events if isinstance(event, StepMetrics) and event.kind == "train"]
        rehearsed.append(any("rehearsal agd" in values for values in terms))
    assert rehearsed == [True, False]


def test_keep_forgets_less(sparse: Sparse, always: None) -> None:
    nuclei = load_model(builtin_paths()["nuclei"])
    seen, _ = nuclei_2d(np.random.default_rng(1), (128, 128))
    config = FineTuneConfig(seconds=None, steps=16, batch=4, patch=64, device="cpu", lr=3e-3)
    change = []
    for mode in ("these_images", "keep"):
        tuned = learned(nuclei, [sparse[0]], [sparse[1]], config.replace(mode=mode))
        first, second = (predict(one, seen, SegmentConfig(object_diameter=None)) for one in (nuclei, tuned))
        assert first.foreground is not None
        assert second.foreground is not None
        if first.foreground.shape == second.foreground.shape:
            change.append(float(np.abs(first.foreground - second.foreground).mean()))
        else:
            change.append(1.0)
    assert change[1] < 0.7 * change[0]


def test_images_of_ones_own_are_rehearsed(model: Model, sparse: Sparse, always: None) -> None:
    own = [nuclei_2d(np.random.default_rng(seed), (64, 64))[0] for seed in range(2)]
    config = QUICK.replace(mode="keep")
    simulated, given = (learned(model, [sparse[0]], [sparse[1]], config, rehearsal=r) for r in (None, own))
    assert any(not torch.equal(value, weights(given)[name]) for name, value in weights(simulated).items())


def test_it_ends_in_time(model: Model, sparse: Sparse, always: None) -> None:
    events: list[Any] = []
    config = QUICK.replace(seconds=1.5, steps=100_000)
    tuned = drain(iter_fit_known(model, [sparse[0]], [sparse[1]], config), events.append)
    assert tuned.card.recipe["fine_tune"]["steps_taken"] < 100_000
    bar = [event for event in events if isinstance(event, Progress) and event.stage == LEARN]
    assert bar[-1].over
    assert [event.share for event in bar] == sorted(event.share for event in bar)
    assert all(event.left is not None and event.left <= 1.5 for event in bar)
    assert any(isinstance(event, StepMetrics) for event in events)


def test_the_model_so_far_is_shown_and_can_be_the_result(
    model: Model, sparse: Sparse, always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "_PREVIEW_EVERY", 0.0)
    shown: list[Model] = []

    def improved(one: Model) -> dict[str, int]:
        shown.append(one)
        return {"count": len(shown)}

    events: list[Any] = []
    job = iter_fit_known(
        model, [sparse[0]], [sparse[1]], QUICK.replace(steps=1000), improved=improved, finish=lambda: len(shown) >= 3
    )
    tuned = drain(job, events.append)
    previews = [event.images["count"] for event in events if isinstance(event, PreviewImages)]
    assert previews[:3] == [1, 2, 3]
    assert len(previews) < 10
    assert any(not torch.equal(value, weights(model)[name]) for name, value in weights(shown[-1]).items())
    assert any(not torch.equal(value, weights(model)[name]) for name, value in weights(tuned).items())


def test_it_can_be_cancelled(model: Model, sparse: Sparse) -> None:
    before, threads = weights(model), torch.get_num_threads()
    job = iter_fit_known(model, [sparse[0]], [sparse[1]], QUICK.replace(steps=1000, threads=1))
    while not isinstance(event := next(job), StepMetrics):
        assert event is not None
    job.close()
    assert torch.get_num_threads() == threads
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())


@pytest.mark.parametrize("mode", ["these_images", "keep"])
def test_color_images_are_learned_too(sparse: Sparse, mode: Any) -> None:
    model = Model.create(ModelConfig(network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8), in_channels=3))
    image = np.repeat(sparse[0], 3, axis=0)
    assert learned(model, [image], [sparse[1]], QUICK.replace(mode=mode)).config.in_channels == 3


@pytest.mark.parametrize("known", [-1, 0])
def test_no_known_object_is_an_error(model: Model, sparse: Sparse, known: int) -> None:
    with pytest.raises(LabelError, match="known object"):
        drain(iter_fit_known(model, [sparse[0]], [np.full(sparse[1].shape, known)], QUICK))


def test_a_rate_that_is_too_high_is_named(model: Model, sparse: Sparse) -> None:
    with pytest.raises(ConfigError, match="lr"):
        learned(model, [sparse[0]], [sparse[1]], QUICK.replace(lr=1e30, steps=200))
