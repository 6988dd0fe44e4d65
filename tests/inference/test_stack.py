"""Objects of z-stacks from their sections: by shape, and across planes that are missing."""

import itertools
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.config import SegmentConfig
from napari_grd.data.kinds import VOLUME
from napari_grd.data.simulate import nuclei_2d
from napari_grd.data.simulate_stack import nuclei_stack
from napari_grd.errors import ConfigError, GrdWarning
from napari_grd.hub import builtin_paths, load_model
from napari_grd.inference import planes, stack
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.canvas import Canvas
from napari_grd.inference.stack import estimate_anisotropy, is_compact, join_planes
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.view import resolve_view, with_anisotropy

F32 = SegmentConfig(runtime="torch", precision="f32")


def ball(shape, center, radius, spacing=1.0):
    grid = np.indices(shape).astype(float)
    steps = (spacing, 1.0, 1.0)
    return sum(((axis - at) * step) ** 2 for axis, at, step in zip(grid, center, steps, strict=True)) <= radius**2


def sections(*objects):
    """Labels of objects, of which the later ones are above."""
    labels = np.zeros(objects[0].shape, np.uint32)
    for number, mask in enumerate(objects, start=1):
        labels[mask] = number
    return labels


def numbers(labels):
    return set(np.unique(labels).tolist()) - {0}


@pytest.mark.parametrize("spacing", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("shift", [0, 4])
def test_one_above_the_other_are_two_although_every_plane_overlaps_the_next(spacing, shift):
    shape = (round(44 / spacing), 40, 40)
    upper = ball(shape, (13 / spacing, 18, 18), 9, spacing)
    lower = ball(shape, (29 / spacing, 18 + shift, 18), 9, spacing)
    joined = join_planes((upper | lower).astype(np.uint32), spacing)
    assert numbers(joined) == {1, 2}
    assert (joined[round(13 / spacing), 18, 18], joined[round(29 / spacing), 18 + shift, 18]) == (1, 2)
    one = join_planes(upper.astype(np.uint32), spacing)
    assert numbers(one) == {1}


def test_objects_that_the_planes_show_side_by_side_stay_apart():
    shape = (20, 30, 40)
    left, right = ball(shape, (10, 15, 13), 8), ball(shape, (10, 15, 26), 8)
    joined = join_planes(sections(left, right), 1.0)
    assert len(numbers(joined)) == 2
    assert joined[10, 15, 13] != joined[10, 15, 26]


@pytest.mark.parametrize("gap", [(8,), (8, 12)])
def test_a_missing_plane_is_bridged(gap):
    labels = sections(ball((20, 30, 30), (10, 15, 15), 8))
    labels[list(gap)] = 0
    joined = join_planes(labels, 1.0)
    assert numbers(joined) == {1}
    assert all(joined[plane].any() for plane in gap)


def test_identical_planes_are_one_number_an_object_of_any_outline():
    plane = np.zeros((60, 80), np.uint32)
    plane[5:15, 5:45] = plane[5:40, 5:15] = 1  # an angle
    plane[45:57, 5:17] = plane[45:57, 40:52] = plane[49:52, 17:40] = 2  # a dumbbell
    plane[10:30, 50:60], plane[10:30, 60:70] = 3, 4  # touching
    joined = join_planes(np.stack([plane] * 8))
    for found in joined:
        np.testing.assert_array_equal(found > 0, plane > 0)
        assert [len(numbers(found[plane == label])) for label in (1, 2, 3, 4)] == [1, 1, 1, 1]
    assert len(numbers(joined)) == 4


def test_what_one_plane_alone_shows_is_noise_and_nothing_is_nothing():
    labels = np.zeros((9, 20, 20), np.uint32)
    assert not join_planes(labels).any()
    labels[4, 5:15, 5:15] = 1
    assert not join_planes(labels).any()
    labels[5, 5:15, 5:15] = 3
    assert numbers(join_planes(labels)) == {1}


def test_it_is_deterministic_and_independent_of_the_numbers_in_a_plane():
    rng = np.random.default_rng(0)
    labels = nuclei_stack(rng, (16, 60, 60), 9)[1].astype(np.uint32)
    other = labels.copy()
    for plane in other:
        plane[...] = np.append(0, 1 + rng.permutation(int(labels.max()))).astype(np.uint32)[plane]
    np.testing.assert_array_equal(join_planes(labels, 2.0), join_planes(other, 2.0))


def test_connected_objects_beyond_the_limit_are_left_to_overlap():
    labels = sections(ball((12, 20, 20), (6, 10, 10), 5))
    assert join_planes(labels, largest=100) is None
    assert join_planes(labels) is not None


@pytest.mark.parametrize("spacing", [1.0, 2.0, 3.0])
def test_the_spacing_is_estimated_from_objects_as_deep_as_wide(spacing):
    shape = (round(60 / spacing), 50, 50)
    assert estimate_anisotropy(sections(ball(shape, (30 / spacing, 25, 25), 15, spacing))) == pytest.approx(
        spacing, rel=0.2
    )
    assert estimate_anisotropy(np.zeros(shape, np.uint32)) == 1
    assert estimate_anisotropy(np.ones(shape, np.uint32)) == 1


def test_the_setting_decides_for_auto_the_kind_of_objects():
    model = load_model(builtin_paths()["nuclei"]).config
    assert is_compact(model, SegmentConfig())
    assert not is_compact(model, SegmentConfig(stack="overlap"))
    cells = load_model(builtin_paths()["cells"]).config
    assert not is_compact(cells, SegmentConfig())
    assert is_compact(cells, SegmentConfig(stack="shape"))
    assert with_anisotropy(SegmentConfig(), 3.0).anisotropy == 3
    assert with_anisotropy(SegmentConfig(anisotropy=2.0), 3.0).anisotropy == 2
    assert with_anisotropy(SegmentConfig(), None).anisotropy is None


@pytest.fixture(scope="module")
def nuclei():
    return load_model(builtin_paths()["nuclei"])


@pytest.fixture(scope="module")
def volume():
    return nuclei_stack(np.random.default_rng(1), (16, 80, 80), 14, missing=1)


def test_a_stack_gets_one_number_a_nucleus(nuclei, volume):
    image, known = volume
    by_shape = grd.segment(nuclei, image, F32.replace(anisotropy=2.0), axes="zyx")
    by_overlap = grd.segment(nuclei, image, F32.replace(stack="overlap"), axes="zyx")
    after, before = (grd.evaluate(reference=known, labels=found, min_size=20) for found in (by_shape, by_overlap))
    assert after.ap50 > max(0.6, before.ap50 + 0.15)
    assert numbers(by_shape) == set(range(1, int(by_shape.max()) + 1))
    turned = grd.segment(nuclei, np.moveaxis(image, 0, -1), F32.replace(anisotropy=2.0), axes="yxz")
    np.testing.assert_array_equal(np.moveaxis(turned, -1, 0), by_shape)
    lazy = da.from_array(image, chunks=(1, 80, 80))
    np.testing.assert_array_equal(grd.segment(nuclei, lazy, F32.replace(anisotropy=2.0), axes="zyx"), by_shape)


def test_series_and_unlinked_planes_do_not_change(nuclei, volume):
    image = volume[0][:6]
    in_time = grd.segment(nuclei, image, F32, axes="tyx")
    apart = grd.segment(nuclei, image, F32.replace(link=False, stack="overlap"), axes="tyx")
    np.testing.assert_array_equal(in_time > 0, apart > 0)
    np.testing.assert_array_equal(in_time, grd.segment(nuclei, image, F32.replace(stack="shape"), axes="tyx"))
    planes = grd.segment(nuclei, image, F32.replace(link=False), axes="zyx")
    assert not any(numbers(a) & numbers(b) for a, b in itertools.pairwise(planes))


def test_stacks_of_a_series_keep_the_numbers(nuclei, volume):
    image = volume[0][4:10, :64, :64]
    once = grd.segment(nuclei, image, F32, axes="zyx")
    for axes, at in (("tzyx", 0), ("ztyx", 1)):
        series = np.stack([image, image, np.zeros_like(image), image], axis=at)
        found = np.moveaxis(grd.segment(nuclei, series, F32, axes=axes), at, 0)
        np.testing.assert_array_equal(found[0] > 0, found[1] > 0)
        np.testing.assert_array_equal(found[0], found[1])
        assert not found[2].any()
    assert numbers(once)


def test_a_stack_too_large_for_the_memory_is_linked_by_overlap_with_a_word(nuclei, volume, monkeypatch):
    image = volume[0][:6, :64, :64]
    monkeypatch.setattr(planes, "LARGEST", 10)
    with pytest.warns(GrdWarning, match="linked by overlap"):
        found = grd.segment(nuclei, image, F32, axes="zyx")
    assert any(numbers(a) & numbers(b) for a, b in itertools.pairwise(found))


def test_unrelated_planes_lose_no_object(nuclei):
    images, references = zip(*(nuclei_2d(np.random.default_rng(seed), (128, 128)) for seed in range(5)), strict=True)
    with pytest.warns(GrdWarning, match="hardly continue from plane to plane"):
        found = grd.segment(nuclei, np.stack(images), F32, axes="zyx")
    alone = [grd.segment(nuclei, image, F32.as_known()) for image in images]
    for plane, labels, reference in zip(found, alone, references, strict=True):
        assert grd.evaluate(reference=reference, labels=plane).ap50 > 0.5
        assert grd.evaluate(reference=labels, labels=plane).ap50 > 0.8


def test_an_empty_plane_of_a_stack_is_not_stretched_to_full_contrast(nuclei):
    rng = np.random.default_rng(0)
    image = rng.normal(100, 2, (9, 96, 96))
    for plane in image[2:]:
        plane[30:60, 30:60] += 400
    image[0, 30:60, 30:60] += 40

    def spans(axes):
        source = ArraySource(image, axes, ndim=2, in_channels=1)
        statistics = SourceStatistics(source, 0, nuclei.config, resolve_view(source, nuclei.config, F32.as_known()))
        return [float(np.ptp(statistics.of((plane,)).range)) for plane in (0, 5)]

    in_depth, in_time = spans("zyx"), spans("tyx")
    assert in_depth[0] > 0.7 * in_depth[1]
    assert in_time[0] < 0.5 * in_time[1]
    assert in_depth[1] == in_time[1]


def test_no_plane_of_a_dense_blurred_stack_is_taken_for_noise(nuclei):
    kind = replace(
        VOLUME, pixels_each=3300, clumped=0.9, elongation=1.4, brightness=150, background=30, texture=1.5, glow=0.12
    )
    image, _ = nuclei_stack(np.random.default_rng(13), (36, 120, 120), kind=kind, blur_z=3.5)
    source = ArraySource(image, "zyx", ndim=2, in_channels=1)
    statistics = SourceStatistics(source, 0, nuclei.config, resolve_view(source, nuclei.config, F32.as_known()))
    measured = [statistics.of((plane,)) for plane in range(0, 36, 3)]
    assert all(each.noise is None and each.stands_out for each in measured)
    spans = [float(np.ptp(each.range)) for each in measured]
    assert max(spans) < 2.5 * min(spans)


def test_an_object_missing_in_one_plane_keeps_its_number_in_the_next():
    box = (slice(0, 1), slice(0, 20))
    full = np.zeros((1, 20), np.uint32)
    full[0, 2:8] = 1
    away = np.zeros((1, 20), np.uint32)
    away[0, 7:13] = 1
    for last, same in ((full, True), (away, False)):
        canvas = Canvas((3,), (1, 20))
        for plane, labels in enumerate((full, np.zeros_like(full), last)):
            canvas.paint((plane,), box, labels)
        assert (canvas.labels[2].max() == canvas.labels[0].max()) == same


def test_simulated_stacks_say_what_is_impossible():
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="shape"):
        nuclei_stack(rng, (20, 30))
    with pytest.raises(ConfigError, match="missing 5 of 5"):
        nuclei_stack(rng, (5, 30, 30), missing=5)
    image, labels = nuclei_stack(rng, (12, 48, 48), 4, kind=VOLUME, missing=2, fading=0.9)
    assert image.dtype == labels.dtype == np.uint16
    assert (image.mean(axis=(1, 2)) < 150).sum() >= 2
    assert numbers(labels) == set(range(1, int(labels.max()) + 1))
    assert stack.FEWEST > 1
