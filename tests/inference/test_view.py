"""How a model sees an image: scale and inversion, decided once."""

import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.config import SegmentConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ImageError
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.rescale import grid_shape, rescale_image
from napari_grd.inference.statistics import SourceStatistics, measure_plane
from napari_grd.inference.view import resolve_view, with_pixel_size
from napari_grd.models.model import ModelConfig

BRIGHT = ModelConfig(object_diameter=28, contrast="bright")


@pytest.fixture(scope="module")
def picture():
    """Nuclei about 19 pixels wide."""
    return nuclei_2d(np.random.default_rng(0), (256, 256))[0]


def view(image, model=BRIGHT, config=None, axes="yx"):
    source = ArraySource(image, axes, ndim=2, in_channels=1)
    return resolve_view(source, model, config or SegmentConfig())


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_objects_of_another_size_are_brought_to_the_models(picture, factor):
    large = rescale_image(picture[None].astype(np.float32), grid_shape(picture.shape, factor))[0]
    found = view(large)
    assert found.diameter == pytest.approx(19 * factor, rel=0.25)
    assert found.scale == pytest.approx(28 / found.diameter)
    assert "pixels wide" in found.notes[0]


def test_a_size_near_the_models_is_kept(picture):
    found = view(picture, BRIGHT.replace(object_diameter=found_diameter(picture) * 1.2))
    assert (found.scale, found.config.object_diameter, found.notes) == (1, None, ())


def found_diameter(picture):
    diameter = view(picture).diameter
    assert diameter is not None
    return diameter


@pytest.mark.parametrize("config", [SegmentConfig(object_diameter=40), SegmentConfig(object_diameter=None)])
def test_what_is_said_is_not_estimated(picture, config):
    found = view(picture, config=config)
    assert found.diameter is None
    assert found.config.object_diameter == config.object_diameter


@pytest.mark.parametrize("contrast", ["edges", None])
def test_models_of_other_kinds_keep_their_size(picture, contrast):
    assert view(picture, BRIGHT.replace(contrast=contrast)).scale == 1


def test_a_noisy_image_is_not_enlarged(picture):
    rng = np.random.default_rng(0)
    noisy = picture + rng.normal(0, (picture.max() - picture.min()) / 12, picture.shape)
    found = view(noisy)
    assert found.scale == 1
    assert "too noisy" in "".join(found.notes) or found.diameter is None


def test_an_empty_field_has_no_size():
    found = view(np.random.default_rng(0).poisson(100, (300, 300)))
    assert (found.scale, found.diameter, found.invert) == (1, None, False)


def test_dark_on_bright_is_inverted_and_found_alike(picture):
    dark = (int(picture.max()) + 100 - picture.astype(np.int32)).astype(np.uint16)
    assert not view(picture).invert
    found = view(dark)
    assert found.invert
    assert "dark on bright" in found.notes[0]
    assert not view(dark, config=SegmentConfig(invert=False)).invert
    model = grd.load_model("nuclei")
    bright_labels, dark_labels = grd.segment(model, picture), grd.segment(model, dark)
    assert bright_labels.max() > 5
    np.testing.assert_array_equal(bright_labels > 0, dark_labels > 0)


def test_a_stack_is_seen_at_one_scale_and_its_planes_against_one_noise(picture):
    rng = np.random.default_rng(1)
    level, noise = float(np.median(picture)), 4.0
    empty = rng.normal(level, noise, (2, *picture.shape))
    stack = np.concatenate([empty, picture[None] + rng.normal(0, noise, (1, *picture.shape)), empty])
    source = ArraySource(stack, "zyx", ndim=2, in_channels=1)
    found = resolve_view(source, BRIGHT, SegmentConfig())
    assert found.diameter == pytest.approx(19, rel=0.3)
    statistics = SourceStatistics(source, 0, BRIGHT, found)
    planes = [statistics.of((z,)) for z in range(5)]
    assert [plane.stands_out for plane in planes] == [False, False, True, False, False]
    assert {plane.noise[0] for plane in planes} == {planes[0].noise[0]}
    assert planes[0].noise[0] == pytest.approx(noise, rel=0.1)
    assert not statistics.nothing_stands_out


def test_nothing_in_an_empty_image_is_said_once_and_found():
    blank = np.random.default_rng(0).poisson(100, (300, 300)).astype(np.uint16)
    model = grd.load_model("nuclei")
    with pytest.warns(grd.NothingStandsOut, match="noise"):
        assert not grd.segment(model, blank).any()


def test_partition_of_a_prediction_is_what_segment_gives(picture):
    rng = np.random.default_rng(0)
    sparse = rng.poisson(100, (400, 400)).astype(np.float64)
    sparse[100:220, 100:220] += 3.0 * (picture[:120, :120] - float(picture.min()))
    model = grd.load_model("nuclei")
    np.testing.assert_array_equal(grd.partition(grd.predict(model, sparse)), grd.segment(model, sparse))


def test_a_pixel_size_from_a_file_serves_where_nothing_is_told():
    model, auto = BRIGHT.replace(pixel_size=0.5), SegmentConfig()
    assert with_pixel_size(auto, model, 1.0).pixel_size == 1.0
    for config, known, size in (
        (auto, model, None),
        (auto, BRIGHT, 1.0),
        (SegmentConfig(object_diameter=20), model, 1.0),
        (SegmentConfig(object_diameter=None), model, 1.0),
        (auto, model, 100.0),
    ):
        assert with_pixel_size(config, known, size) == config


def test_the_pixel_size_rescales_and_is_told(picture):
    found = view(picture, BRIGHT.replace(pixel_size=0.5), SegmentConfig(pixel_size=1.0))
    assert found.scale == 2
    assert "pixels are 1 µm wide" in found.notes[-1]


def test_a_given_range_holds_and_noise_is_measured_all_the_same():
    noise = np.random.default_rng(0).normal(100, 10, (256, 256)).astype(np.float32)
    config = SegmentConfig(intensity_range=((50, 150),))
    for invert, bounds in ((False, [50, 150]), (True, [150, 50])):
        source = ArraySource(noise, "yx", ndim=2, in_channels=1)
        found = resolve_view(source, BRIGHT, config.replace(invert=invert))
        statistics = SourceStatistics(source, 0, BRIGHT, found).of(())
        assert statistics.range.tolist() == [bounds]
        assert statistics.noise == pytest.approx(10, rel=0.1)
        assert not statistics.stands_out
    with pytest.raises(ImageError, match="intensity_range"):
        view(noise, BRIGHT, SegmentConfig(intensity_range=((0, 1), (0, 1))))


def test_statistics_that_the_decision_was_made_from_are_used_until_pixels_change(picture):
    image = picture.copy()
    source = ArraySource(image, "yx", ndim=2, in_channels=1)
    model = BRIGHT.replace(object_diameter=19)
    found = resolve_view(source, model, SegmentConfig())
    assert set(found.measured) == {()}
    statistics = SourceStatistics(source, 0, model, found)
    assert statistics.of(()) is found.measured[()]
    assert statistics.of(()).key == measure_plane(source, 0, (), model, found).key
    image *= 2
    assert statistics.again(()).range[0, 1] == pytest.approx(2 * found.measured[()].range[0, 1])
