"""Soft affinities: those of the labels where the teacher is certain, softer where it is not."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_grd.graph.affinities import affinities_from_labels, valid_mask
from napari_grd.graph.offsets import default_offsets
from napari_grd.teaching.soft_affinities import (
    affinities_from_distances,
    affinities_from_flows,
    affinities_from_probability,
    centered,
)

SHAPE = (40, 48)


@st.composite
def blocks(draw: st.DrawFn) -> NDArray[np.uint32]:
    """Rectangles side by side, some of them touching: paths along the axes do not leave them and come back."""
    labels = np.zeros(SHAPE, np.uint32)
    rows = sorted(draw(st.sets(st.integers(1, SHAPE[0] - 1), max_size=3)))
    columns = sorted(draw(st.sets(st.integers(1, SHAPE[1] - 1), max_size=3)))
    number = 0
    for y0, y1 in zip([0, *rows], [*rows, SHAPE[0]], strict=True):
        for x0, x1 in zip([0, *columns], [*columns, SHAPE[1]], strict=True):
            if draw(st.booleans()):
                number += 1
                labels[y0:y1, x0:x1] = number
    return labels


def target(labels: NDArray[np.uint32]) -> NDArray[np.float32]:
    return affinities_from_labels(torch.from_numpy(labels.astype(np.int64))[None], default_offsets(labels.ndim))[
        0
    ].numpy()


def inside(labels: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return valid_mask(labels.shape, default_offsets(labels.ndim)).numpy()


def perfect_flows(labels: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Unit vectors to the center of each object."""
    flows = np.zeros((labels.ndim, *labels.shape), np.float32)
    for number in np.unique(labels[labels > 0]):
        where = np.nonzero(labels == number)
        towards = np.stack([axis.mean() - axis for axis in where])
        flows[:, *where] = towards / np.maximum(1e-6, np.linalg.norm(towards, axis=0))
    return flows


def perfect_distances(labels: NDArray[np.uint32], rays: int) -> NDArray[np.float32]:
    """Steps along each ray until the label ends, less half a pixel."""
    distances = np.zeros((rays, *labels.shape), np.float32)
    for ray, angle in enumerate(2 * np.pi * np.arange(rays) / rays):
        step = np.array([np.sin(angle), np.cos(angle)])
        for pixel in np.ndindex(labels.shape):
            if not labels[pixel]:
                continue
            for length in range(1, 100):
                y, x = np.rint(pixel + length * step).astype(int)
                if not (0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]) or labels[y, x] != labels[pixel]:
                    break
            distances[ray][pixel] = length - 0.5
    return distances


@settings(max_examples=15, deadline=None)
@given(blocks())
def test_certain_labels_give_their_affinities(labels: NDArray[np.uint32]) -> None:
    found = affinities_from_probability(labels, (labels > 0).astype(np.float32))
    np.testing.assert_array_equal(found, target(labels))


@settings(max_examples=15, deadline=None)
@given(blocks())
def test_perfect_flows_agree_with_the_labels(labels: NDArray[np.uint32]) -> None:
    found = affinities_from_flows(labels, perfect_flows(labels), (labels > 0).astype(np.float32))
    expected = target(labels)
    np.testing.assert_array_equal((found > 0.5)[inside(labels)], (expected > 0.5)[inside(labels)])
    # Flows do not cross a border at a right angle everywhere, so not all of it is certain.
    assert np.abs(found - expected).max() <= 0.4 + 1e-6
    assert np.abs(found - expected).mean() < 0.05


@settings(max_examples=4, deadline=None)
@given(blocks(), st.sampled_from([4, 8]))
def test_perfect_distances_give_the_affinities_of_the_labels(labels: NDArray[np.uint32], rays: int) -> None:
    found = affinities_from_distances(perfect_distances(labels, rays), (labels > 0).astype(np.float32))
    np.testing.assert_array_equal(found, target(labels))


def random_inputs(shape: tuple[int, ...]) -> tuple[NDArray[np.uint32], NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return (
        rng.integers(0, 4, shape, dtype=np.uint32),
        rng.normal(size=(len(shape), *shape)).astype(np.float32),
        rng.random(shape, np.float32),
    )


@pytest.mark.parametrize("shape", [SHAPE, (30, 8), (4, 12, 30), (1, 1)])
def test_they_are_shares_at_all_standard_offsets(shape: tuple[int, ...]) -> None:
    labels, flows, foreground = random_inputs(shape)
    found = [affinities_from_probability(labels, foreground), affinities_from_flows(labels, flows, foreground)]
    if len(shape) == 2:
        found.append(affinities_from_distances(np.abs(flows[:1]).repeat(8, 0) * 9, foreground))
    for affinities in found:
        assert affinities.shape == (len(default_offsets(len(shape))), *shape)
        assert affinities.dtype == np.float32
        assert affinities.min() >= 0
        assert affinities.max() <= 1
        assert not affinities[~inside(labels)].any()


Make = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def test_a_faint_object_holds_together_and_is_uncertain_at_its_border() -> None:
    labels = np.zeros((20, 20), np.uint32)
    labels[5:15, 5:15] = 1
    faint = np.where(labels > 0, 0.6, 0).astype(np.float32)
    makers: list[Make] = [
        lambda fg: affinities_from_probability(labels, fg),
        lambda fg: affinities_from_distances(perfect_distances(labels, 8), fg),
    ]
    for make in makers:
        found = make(faint)
        assert found[0, 10, 10] == pytest.approx(1)
        assert found[0, 5, 10] == pytest.approx(0.4)
        assert found[0, 2, 2] == 1


def test_the_more_flows_part_the_surer_a_border_is() -> None:
    labels = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 4, axis=0)
    certain = np.ones(labels.shape, np.float32)
    between = []
    for strength in (0, 0.5, 1):
        flows = np.zeros((2, *labels.shape), np.float32)
        flows[1] = strength * np.where(labels == 1, -1, 1)
        found = affinities_from_flows(labels, flows, certain)
        between.append([found[1, 0, 4], found[3, 0, 5]])
        assert found[1, 0, 2] == 1
    np.testing.assert_allclose(between, [[0.4, 0.4], [0.2, 0.2], [0, 0]], atol=1e-6)


def test_a_blurred_turn_is_seen_over_three_pixels() -> None:
    labels = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 4, axis=0)
    flows = np.zeros((2, *labels.shape), np.float32)
    flows[1] = np.array([-1, -1, -1, -1 / 3, 1 / 3, 1, 1, 1])
    found = affinities_from_flows(labels, flows, np.ones(labels.shape, np.float32))
    assert found[3, 0, 5] == pytest.approx(0, abs=1e-6)
    assert 0.2 < found[1, 0, 4] < 0.4


def test_centers_are_no_borders() -> None:
    labels = np.ones((3, 9), np.uint32)
    flows = np.zeros((2, 3, 9), np.float32)
    flows[1] = np.sign(4 - np.arange(9))
    np.testing.assert_array_equal(affinities_from_flows(labels, flows, np.ones((3, 9), np.float32))[1, :, 1:], 1)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20), st.floats(0.02, 0.98))
def test_a_centered_probability_is_a_half_at_the_threshold(values: list[float], threshold: float) -> None:
    given_, line = np.array(sorted(values), np.float32), np.float32(threshold)
    found = centered(given_, threshold)
    assert found.dtype == np.float32
    assert np.all((found >= 0) & (found <= 1))
    assert np.all(np.diff(found) >= 0)
    assert np.all(found[given_ > line + 1e-3] > 0.5)
    assert np.all(found[given_ < line - 1e-3] < 0.5)
    assert centered(np.float32([0, threshold, 1]), threshold) == pytest.approx([0, 0.5, 1], abs=1e-5)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_line_at_the_end_of_the_scale_leaves_probabilities(threshold: float) -> None:
    found = centered(np.float32([0, 0.5, 1]), threshold)
    assert np.isfinite(found).all()
    assert found[0] == 0
    assert found[2] == 1
