"""Mean embedding and certainty, against their definition spelt out pair by pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_grd.api as grd
from napari_grd.errors import ConfigError, ImageError
from napari_grd.graph.instances import instance_graph
from napari_grd.inference.prediction import Prediction, join_predictions
from napari_grd.measurements.objects import measure
from napari_grd.models.model import ModelConfig

OFFSETS = ((-1, 0), (0, -1), (-2, 0), (0, -9))


def prediction(seed: int, shape: tuple[int, int] = (6, 7), foreground: bool = True) -> Prediction:
    rng = np.random.default_rng(seed)
    embedding = rng.normal(size=(*shape, 4)).astype(np.float32)
    probability = rng.random(shape).astype(np.float32) if foreground else None
    return Prediction(np.moveaxis(embedding, -1, 0), probability, 1.0, shape, ModelConfig(offsets=OFFSETS), "f32")


def some_labels(seed: int, shape: tuple[int, int] = (6, 7)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, shape)


def certainty_by_pairs(labels: np.ndarray, given: Prediction, label: int) -> float:
    inside, across = [], []
    unit = given.embedding / np.linalg.norm(given.embedding, axis=0)
    for y, x in np.ndindex(labels.shape):
        for dy, dx in OFFSETS:
            p, q = (y, x), (y + dy, x + dx)
            if min(q) < 0 or label not in (labels[p], labels[q]):
                continue
            joined = max(float(unit[:, *p] @ unit[:, *q]), 0)
            if given.foreground is not None:
                joined *= float(given.foreground[p] * given.foreground[q])
            (inside if labels[p] == labels[q] else across).append(joined)
    if not inside:
        return 0
    return max(0, np.mean(inside) - (np.mean(across) if across else 0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_certainty_is_what_its_definition_says(seed: int, foreground: bool) -> None:
    labels, given = some_labels(seed), prediction(seed, foreground=foreground)
    columns = measure(labels, prediction=given).columns
    expected = [certainty_by_pairs(labels, given, label) for label in columns["label"]]
    np.testing.assert_allclose(columns["certainty"], expected, atol=1e-5)
    assert ((columns["certainty"] >= 0) & (columns["certainty"] <= 1)).all()


def test_a_sure_prediction_is_certain_and_a_blind_one_is_not() -> None:
    labels = np.repeat([[1, 1, 1, 2, 2, 2]], 6, axis=0)
    embedding = np.stack([labels == 1, labels == 2]).astype(np.float32)
    sure = Prediction(embedding, np.ones((6, 6), np.float32), 1.0, (6, 6), ModelConfig(offsets=OFFSETS), "f32")
    assert measure(labels, prediction=sure).columns["certainty"].tolist() == pytest.approx([1, 1])
    blind = Prediction(embedding, np.zeros((6, 6), np.float32), 1.0, (6, 6), ModelConfig(offsets=OFFSETS), "f32")
    assert measure(labels, prediction=blind).columns["certainty"].tolist() == [0, 0]
    merged = measure(np.ones((6, 6), int), prediction=sure).columns["certainty"]
    assert 0.5 < merged.item() < 1


def test_mean_embeddings_are_the_nodes_of_the_instance_graph() -> None:
    labels, given = some_labels(1), prediction(1)
    columns = measure(labels, prediction=given).columns
    found = np.stack([columns[f"embedding-{channel}"] for channel in range(4)], axis=1)
    np.testing.assert_allclose(found, instance_graph(labels, given.embedding).nodes, atol=1e-6)


def test_objects_that_reach_over_planes_are_the_sum_of_their_planes() -> None:
    stack = join_predictions([prediction(seed) for seed in range(3)], (3,))
    labels = np.stack([some_labels(seed) for seed in range(3)])
    whole = measure(labels, prediction=stack).columns
    (third,) = np.flatnonzero(whole["label"] == 3)
    expected = np.moveaxis(stack.embedding, 0, -1)[labels == 3].mean(axis=0)
    np.testing.assert_allclose([whole[f"embedding-{c}"][third] for c in range(4)], expected, atol=1e-6)
    planes = measure(labels, ndim=2, prediction=stack).columns
    alone = measure(labels[1], prediction=stack.planes()[1]).columns
    np.testing.assert_allclose(planes["certainty"][planes["z"] == 1], alone["certainty"])


def test_a_prediction_on_another_grid_finds_the_objects() -> None:
    labels = np.repeat(np.repeat([[0, 5], [9, 0]], 8, axis=0), 8, axis=1)
    model = grd.Model.create(ModelConfig(object_diameter=8))
    given = grd.predict(model, labels, grd.SegmentConfig(object_diameter=16, runtime="torch"))
    assert given.scale == 0.5
    columns = measure(labels, prediction=given).columns
    assert np.isfinite(columns["embedding-0"]).all()


def test_a_prediction_of_another_image_is_refused() -> None:
    with pytest.raises(ImageError, match=r"shape \(6, 7\).*shape \(6, 8\)"):
        measure(np.ones((6, 8), int), prediction=prediction(0))


def test_planes_of_a_volume_cannot_be_measured_with_a_prediction_of_the_volume() -> None:
    config = ModelConfig(ndim=3, offsets=((-1, 0, 0),))
    given = Prediction(np.ones((2, 3, 4, 5), np.float32), None, 1.0, (3, 4, 5), config, "f32")
    assert measure(np.ones((3, 4, 5), int), prediction=given).columns["certainty"].item() == pytest.approx(1)
    with pytest.raises(ConfigError, match="ndim=3"):
        measure(np.ones((3, 4, 5), int), ndim=2, prediction=given)
