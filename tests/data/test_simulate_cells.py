import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_grd.config import NormalizationConfig
from napari_grd.data import cell_contrast, cell_shapes
from napari_grd.data.cell_contrast import random_contrast
from napari_grd.data.cell_shapes import LEAST, depth, random_layout, tidied
from napari_grd.data.intensity import normalized
from napari_grd.data.simulate_cells import random_cells
from napari_grd.errors import ConfigError


def check_labels(labels):
    """Consecutive, each object one piece of at least twelve pixels."""
    sizes = np.bincount(labels.ravel())
    assert labels.dtype == np.int32
    assert labels.min() >= 0
    assert (sizes[1:] >= LEAST).all()
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        assert ndimage.label(labels[box] == number)[1] == 1


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(1, 120),
    width=st.integers(1, 120),
    diameter=st.sampled_from([4.0, 12, 24.0, (10.0, 50.0), 300.0]),
)
def test_labels_are_single_pieces_with_consecutive_numbers(seed, height, width, diameter):
    image, labels = random_cells(np.random.default_rng(seed), (height, width), diameter)
    assert image.shape == labels.shape == (height, width)
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1  # false of NaN, too
    check_labels(labels)


@pytest.mark.parametrize("kind", cell_shapes.KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_every_kind_of_object_has_the_diameter_asked_for(monkeypatch, kind, seed):
    monkeypatch.setattr(cell_shapes, "KINDS", {kind: 1.0})
    diameters = []
    for repeat in range(4):
        layout = random_layout(np.random.default_rng((seed, repeat)), (160, 160), 20.0)
        check_labels(layout.labels)
        assert not (layout.sheath & (layout.labels > 0)).any()
        diameters.extend(np.sqrt(4 / np.pi * np.bincount(layout.labels.ravel())[1:]))
    assert 0.6 * 20 < np.median(diameters) < 1.3 * 20


@pytest.mark.parametrize("kind", [*cell_contrast.KINDS, "sheaths"])
def test_every_kind_of_contrast_shows_the_objects(monkeypatch, kind):
    monkeypatch.setattr(cell_shapes, "KINDS", {"axons" if kind == "sheaths" else "round": 1.0})
    monkeypatch.setattr(cell_contrast, "KINDS", {kind: 1.0})
    shown = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        layout = random_layout(rng, (128, 128), 24.0)
        light = random_contrast(rng, layout, 24.0)
        assert light.dtype == np.float32
        assert np.isfinite(light).all()
        edge = np.abs(ndimage.gaussian_gradient_magnitude(light, 1.0))
        near = ndimage.binary_dilation((layout.labels > 0) != ndimage.binary_erosion(layout.labels > 0), iterations=2)
        if near.any():
            shown.append(edge[near].mean() > 1.3 * edge[~near].mean())
    assert np.mean(shown) > 0.7


def test_an_image_is_a_function_of_the_seed():
    first, same, other = (random_cells(np.random.default_rng(seed), (64, 64)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], same[0])
    np.testing.assert_array_equal(first[1], same[1])
    assert not np.array_equal(first[0], other[0])


def test_fields_range_from_empty_to_confluent_and_both_polarities_are_drawn():
    counts, covered, brighter = [], [], []
    for seed in range(150):
        image, labels = random_cells(np.random.default_rng(seed), (96, 96))
        counts.append(labels.max())
        covered.append((labels > 0).mean())
        if 0.05 < covered[-1] < 0.95:
            brighter.append(image[labels > 0].mean() > image[labels == 0].mean())
        if seed < 20:
            assert np.isfinite(normalized(image[None], NormalizationConfig())).all()
    assert 0.01 < np.mean(np.array(counts) == 0) < 0.1
    assert np.quantile(covered, 0.2) < 0.3
    assert np.quantile(covered, 0.9) > 0.6
    assert max(covered) > 0.9
    assert 0.3 < np.mean(brighter) < 0.85


def test_the_largest_piece_is_kept_and_fragments_go():
    labels = np.zeros((10, 30), np.int32)
    labels[:, :5], labels[:4, 8:12], labels[:3, 20:23] = 4, 4, 9
    labels[8, 25] = 2
    expected = np.zeros_like(labels)
    expected[:, :5] = 1
    np.testing.assert_array_equal(tidied(labels), expected)
    labels[:3, 20:24] = 9  # twelve pixels
    expected[:3, 20:24] = 2
    np.testing.assert_array_equal(tidied(labels), expected)


def test_depth_is_measured_from_borders_between_objects_and_not_from_the_frame():
    labels = np.repeat([1, 2], 6)[None].repeat(5, axis=0)
    np.testing.assert_array_equal(depth(labels)[2], [5.5, 4.5, 3.5, 2.5, 1.5, 0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5])


@pytest.mark.parametrize("shape", [(0, 10), (10,), (10, 10, 10)])
def test_an_impossible_shape_is_an_error(shape):
    with pytest.raises(ConfigError, match="shape"):
        random_cells(np.random.default_rng(0), shape)


@pytest.mark.parametrize("diameter", [0, 3.9, -5.0, float("nan"), float("inf"), (30, 20), (2, 20), (10, 20, 30)])
def test_an_impossible_diameter_is_an_error(diameter):
    with pytest.raises(ConfigError, match="diameter"):
        random_cells(np.random.default_rng(0), (32, 32), diameter)
