"""Objects that do not stand out of the noise of their field are removed."""

from dataclasses import replace

import numpy as np
import pytest

from napari_grd.config import NormalizationConfig
from napari_grd.data.intensity import measure_intensity
from napari_grd.inference.contrast import _smallest, remove_faint, remove_faint_3d
from napari_grd.models.model import ModelConfig

PLACES = {1: (40, 40), 2: (120, 60), 3: (180, 190)}


def field(strengths):
    """Labels of disks, noise with those disks in it, and its statistics."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256]
    image = rng.normal(1000, 10, (1, 256, 256))
    labels = np.zeros((256, 256), np.uint32)
    for label, place in PLACES.items():
        inside = np.hypot(y - place[0], x - place[1]) < 12
        image[0] += strengths.get(label, 0) * inside
        labels[inside] = label
    return labels, image, measure_intensity(image, NormalizationConfig(), 27)


def kept(*args):
    return set(np.unique(remove_faint(*args)).tolist()) - {0}


@pytest.mark.parametrize(("contrast", "expected"), [("bright", {1}), ("dark", {2}), ("edges", {1, 2}), (None, {1, 2})])
def test_only_what_differs_as_its_kind_does_stays(contrast, expected):
    assert kept(*field({1: 100, 2: -100}), contrast) == expected


def test_a_large_object_may_be_fainter_than_a_small_one():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256]
    image = rng.normal(1000, 10, (1, 256, 256))
    labels = np.zeros((256, 256), np.uint32)
    for label, (radius, strength) in {1: (12, 45), 2: (6, 45), 3: (12, 200)}.items():
        inside = np.hypot(y - PLACES[label][0], x - PLACES[label][1]) < radius
        image[0] += strength * inside
        labels[inside] = label
    statistics = measure_intensity(image, NormalizationConfig(), 27)
    assert statistics.stands_out
    assert kept(labels, image, statistics, "bright") == {1, 3}


def test_of_an_inverted_image_what_is_dark_counts_as_bright():
    labels, image, statistics = field({1: 100, 2: -100})
    inverted = replace(statistics, range=statistics.range[:, ::-1])
    assert kept(labels, image, inverted, "bright") == {2}


def test_an_edge_stands_out_where_inside_and_outside_are_as_bright():
    labels, image, statistics = field({})
    y, x = np.mgrid[:256, :256]
    distance = np.hypot(y - PLACES[3][0], x - PLACES[3][1])
    image[0] += 150 * ((distance > 10) & (distance < 15))
    assert kept(labels, image, statistics, "edges") == {3}
    assert kept(labels, image, statistics, "bright") == set()


def test_where_no_noise_is_known_everything_stays():
    labels, image, statistics = field({})
    result = remove_faint(labels, image, replace(statistics, noise=None))
    assert result is labels


def test_any_channel_may_tell():
    labels, image, _ = field({1: 100})
    both = np.concatenate([np.random.default_rng(1).normal(0, 5, image.shape), image])
    assert kept(labels, both, measure_intensity(both, NormalizationConfig(), 27), "bright") == {1}


def test_objects_end_where_the_scan_ends():
    labels, image, statistics = field({1: 100})
    image[:, :40] = np.nan
    result = remove_faint(labels, image, statistics, "bright")
    assert not result[:40].any()
    assert (result[40:60] == 1).any()


def test_what_lies_along_a_step_of_the_background_is_no_object() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(1000, 10, (1, 256, 256))
    image[:, :, 128:] += 120  # as where a mosaic was stitched
    labels = np.zeros((256, 256), np.uint32)
    labels[50:70, 128:131], labels[150:170, 128:140], labels[200:203, 128:160] = 1, 2, 3
    image[0, 30:40, 30:40] += 120
    labels[30:40, 30:40] = 4
    statistics = measure_intensity(image, NormalizationConfig(), 27)
    statistics = replace(statistics, noise=np.array([10.0]), texture=np.array([4.0]), stands_out=True)
    assert kept(labels, image, statistics, "bright") == {4}


@pytest.mark.parametrize(("stands_out", "expected"), [(True, {1, 2}), (False, {2})])
def test_in_a_field_of_which_nothing_stands_out_faint_specks_are_no_objects(
    stands_out: bool, expected: set[int]
) -> None:
    labels, image, statistics = field({1: 75, 2: 200})
    assert kept(labels, image, replace(statistics, stands_out=stands_out), "bright") == expected


def test_of_what_is_very_large_only_the_rim_counts() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(1000, 10, (1, 400, 400)) + np.linspace(0, 400, 400)[:, None]
    labels = np.zeros((400, 400), np.uint32)
    labels[200:, :] = 1  # bright, as is what lies beside it
    labels[50:70, 50:70] = 2
    image[0, 50:70, 50:70] += 100
    statistics = measure_intensity(image, NormalizationConfig(), 27)
    statistics = replace(statistics, noise=np.array([10.0]), texture=np.array([4.0]), stands_out=True)
    assert kept(labels, image, statistics, "bright") == {2}


def test_an_object_that_nearly_fills_the_view_stays() -> None:
    labels = np.zeros((40, 40), np.uint32)
    labels[:, 1:] = 1
    image = np.random.default_rng(0).normal(1000, 10, (1, 40, 40)) + 300 * labels
    statistics = measure_intensity(np.random.default_rng(0).normal(1000, 10, (1, 512, 512)), NormalizationConfig(), 270)
    assert statistics.noise is not None
    assert kept(labels, image, statistics, "bright") == {1}


@pytest.mark.parametrize("values", ["ties", "random", "sorted", "one"])
def test_order_statistics_are_those_of_sorting(values: str) -> None:
    rng = np.random.default_rng(0)
    array = {
        "ties": rng.integers(0, 3, 40).astype(float),
        "random": rng.normal(size=41),
        "sorted": np.arange(40.0),
        "one": np.ones(1),
    }[values]
    for count in {1, len(array) // 2 + 1, len(array)}:
        ordered = np.sort(array[:count])
        assert [_smallest(array.copy(), count, k) for k in range(count)] == ordered.tolist()


def spheres(places: list[tuple[int, int, int]], shape: tuple[int, int, int], radius: float = 8.0) -> np.ndarray:
    """Labels of balls."""
    labels = np.zeros(shape, np.uint32)
    axes = np.ogrid[tuple(slice(0, size) for size in shape)]
    for number, place in enumerate(places, 1):
        distance = sum((axis - at) ** 2 for axis, at in zip(axes, place, strict=True))
        labels[distance < radius**2] = number
    return labels


BALLS = spheres([(12, y, x) for y in (20, 60, 100) for x in (20, 60, 100)], (24, 120, 120))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_no_object_in_the_noise_of_a_volume_is_kept(dtype):
    image = np.random.default_rng(0).normal(40, 5, (1, *BALLS.shape)).astype(dtype)
    config = ModelConfig(ndim=3)
    kept = remove_faint_3d(BALLS, image, measure_intensity(image, config.normalization, 16), config, diameter=16)
    assert not kept.any()


def test_faint_objects_of_a_volume_that_show_only_in_many_planes_are_kept():
    """A third of the noise of a voxel above the background, which a single plane would hardly show."""
    image = np.random.default_rng(0).normal(40, 5, (1, *BALLS.shape)).astype(np.float32)
    image[0][np.isin(BALLS, [2, 5])] += 15
    config = ModelConfig(ndim=3)
    kept = remove_faint_3d(BALLS, image, measure_intensity(image, config.normalization, 16), config, diameter=16)
    assert {2, 5} <= set(np.unique(kept).tolist()) < set(range(10))


def test_voxels_that_were_not_scanned_have_no_object():
    image = np.random.default_rng(0).normal(40, 1, (1, *BALLS.shape)).astype(np.float32)
    image[0][BALLS > 0] += 100
    image[:, :, :40] = np.nan
    config = ModelConfig(ndim=3)
    kept = remove_faint_3d(BALLS, image, measure_intensity(image, config.normalization, 16), config, diameter=16)
    assert not kept[:, :40].any()
    assert np.unique(kept[:, 40:]).tolist() == [0, 4, 5, 6, 7, 8, 9]
