import time

import numpy as np
import pytest

from napari_grd.api import segment
from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.data.intensity import measure_intensity
from napari_grd.errors import ConfigError, ImageError
from napari_grd.inference import planes
from napari_grd.inference.background import in_background
from napari_grd.inference.prediction import label_plane, partition_prediction
from napari_grd.inference.rescale import rescale_image, rescale_labels, scale_factor
from napari_grd.inference.segment import affinities, embed, iter_segment, predict
from napari_grd.jobs import Progress, drain
from napari_grd.models.model import Model, ModelConfig

CONFIG = SegmentConfig(runtime="torch", precision="f32", device="cpu")


def crowded(shape, seed=0):
    """Squares, bright and dark: a field full of edges, in which nothing is noise."""
    rng = np.random.default_rng(seed)
    squares = np.kron(rng.random([-(-size // 12) for size in shape[-2:]]) > 0.5, np.ones((12, 12)))
    return (squares[: shape[-2], : shape[-1]] + 0.1 * rng.random(shape)).astype(np.float32)


@pytest.fixture
def image():
    return crowded((60, 75))


def test_prediction_has_the_images_grid(model, image):
    prediction = predict(model, image, CONFIG)
    assert prediction.embedding.shape == (16, 60, 75)
    assert np.moveaxis(prediction.embedding, 0, -1).flags.c_contiguous
    assert prediction.foreground.shape == (60, 75)
    assert 0 <= prediction.foreground.min() < prediction.foreground.max() <= 1
    assert prediction.affinities().shape == (10, 60, 75)
    assert (prediction.scale, prediction.shape, prediction.precision) == (1.0, (60, 75), "f32")
    np.testing.assert_array_equal(embed(model, image, CONFIG), prediction.embedding)
    np.testing.assert_array_equal(affinities(model, image, CONFIG), prediction.affinities())


def test_a_model_without_foreground_gives_none(image):
    prediction = predict(Model.create(ModelConfig(foreground=False)), image, CONFIG)
    assert prediction.foreground is None
    assert partition_prediction(prediction).min() > 0


def test_segment_is_predict_then_partition(model, image):
    config = CONFIG.replace(partition=PartitionConfig(min_size=3, foreground_threshold=0.4))
    labels = segment(model, image, config)
    assert labels.dtype == np.uint32
    assert labels.shape == image.shape
    prediction = predict(model, image, config)
    np.testing.assert_array_equal(labels, partition_prediction(prediction, config))
    np.testing.assert_array_equal(labels, partition_prediction(prediction, config.partition))
    assert set(np.unique(labels)) - {0} == set(range(1, labels.max() + 1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (7, 9)])
@pytest.mark.parametrize("value", [0, 7])
def test_tiny_and_constant_images_give_a_result(model, shape, value):
    labels = segment(model, np.full(shape, value, np.uint16), CONFIG)
    assert labels.shape == shape


def test_stack_is_segmented_plane_by_plane(model):
    stack = np.stack([crowded((40, 50), seed) for seed in range(3)])
    config = CONFIG.replace(link=False, partition=PartitionConfig(min_size=0, foreground_threshold=0.4))
    labels = segment(model, stack, config, axes="zyx")
    planes = [segment(model, plane, config) for plane in stack]
    assert labels.shape == stack.shape
    assert labels.max() == sum(int(plane.max()) for plane in planes)
    shared = [set(np.unique(plane)) - {0} for plane in labels]
    assert not shared[0] & shared[1]
    for found, plane in zip(labels, planes, strict=True):
        np.testing.assert_array_equal(found > 0, plane > 0)

    prediction = predict(model, stack, config, axes="zyx")
    assert prediction.embedding.shape == (16, 3, 40, 50)
    assert prediction.foreground.shape == (3, 40, 50)
    assert prediction.affinities().shape == (10, 3, 40, 50)
    np.testing.assert_array_equal(partition_prediction(prediction, config), labels)


def test_a_stack_of_one_plane_stays_a_stack(model):
    assert segment(model, np.zeros((1, 20, 30)), CONFIG, axes="zyx").shape == (1, 20, 30)
    with pytest.raises(ImageError, match="no pixels"):
        segment(model, np.zeros((0, 20, 30)), CONFIG, axes="zyx")


def test_a_crop_with_the_planes_range_agrees_with_the_plane(model):
    image = np.random.default_rng(0).integers(0, 4000, (256, 256)).astype(np.uint16)
    image[:32] //= 4  # so the crop's own range would be another
    whole = predict(model, image, CONFIG).embedding
    known = measure_intensity(image[None], model.config.normalization, model.config.object_diameter)
    crop = predict(model, image[64:256, 64:256], CONFIG, intensity_range=known).embedding
    np.testing.assert_allclose(crop[:, 80:, 80:], whole[:, 144:, 144:], rtol=0, atol=1e-5)


def test_wrong_input_is_refused(model, image):
    with pytest.raises(ImageError, match="channel"):
        segment(model, np.zeros((20, 30, 3)), CONFIG, axes="yxc")
    with pytest.raises(ImageError, match="intensity_range"):
        predict(model, image, CONFIG, intensity_range=np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("size", [{"object_diameter": 40}, {"pixel_size": 0.25}])
def test_image_is_rescaled_to_what_the_model_knows(model, image, size):
    config = CONFIG.replace(**size)
    prediction = predict(model, image, config)
    assert prediction.scale == 0.5
    assert prediction.embedding.shape == (16, 30, 38)
    assert segment(model, image, config).shape == image.shape
    assert embed(model, image, config).shape == (16, 60, 75)


def test_scale_factor_is_exactly_one_when_close(model):
    assert scale_factor(model.config, SegmentConfig(object_diameter=20.9)) == 1
    assert scale_factor(model.config, SegmentConfig(object_diameter=22)) == pytest.approx(20 / 22)


def test_impossible_scales_are_refused(model):
    with pytest.raises(ConfigError, match=r"object_diameter is 9\.0, but the model does not store"):
        scale_factor(ModelConfig(), SegmentConfig(object_diameter=9))
    with pytest.raises(ConfigError, match="Give one of them"):
        scale_factor(model.config, SegmentConfig(object_diameter=9, pixel_size=1))
    with pytest.raises(ConfigError, match=r"rescaled by 0\.002"):
        scale_factor(model.config, SegmentConfig(object_diameter=10000))


def test_rescaled_images_keep_their_mean_and_labels_their_place():
    image = np.random.default_rng(0).random((2, 40, 60), np.float32)
    small = rescale_image(image, (20, 30))
    assert small.dtype == np.float32
    assert small.std() < 0.6 * image.std()  # smoothed, not sampled
    assert small.mean() == pytest.approx(image.mean(), abs=0.01)

    labels = np.arange(1, 7, dtype=np.uint32).reshape(2, 3)
    large = rescale_labels(labels, (6, 9))
    np.testing.assert_array_equal(large, np.kron(labels, np.ones((3, 3))))
    np.testing.assert_array_equal(rescale_labels(large, (2, 3)), labels)
    assert set(np.unique(rescale_labels(large, (1, 3)))) == {1, 2, 3}


def test_job_reports_every_tile_and_plane(model):
    events = []
    drain(
        iter_segment(model, np.stack([crowded((300, 50))] * 2), CONFIG.replace(tile=128, halo=16), axes="zyx"),
        events.append,
    )
    events = [event for event in events if event.stage == "Segmenting"]
    assert {event.done for event in events} >= set(range(1, 9))
    assert events[-1] == Progress("Segmenting", 8, 8, 0.0)


def test_job_stays_answerable_during_a_long_partition(model, image, monkeypatch):
    def slow(*given):
        time.sleep(0.7)
        return label_plane(*given)

    monkeypatch.setattr(planes, "label_plane", slow)
    events = []
    drain(iter_segment(model, image, CONFIG), events.append)
    assert sum(event.done == 1 for event in events) >= 3


def test_background_work_raises_where_it_is_awaited_and_is_left_on_close():
    def fail():
        raise ImageError("Broken.", "Mend it.")

    with pytest.raises(ImageError, match="Broken"):
        drain(in_background(fail, lambda: Progress("Testing", 0, 1)))

    job = in_background(lambda: time.sleep(1), lambda: Progress("Testing", 0, 1))
    next(job)
    start = time.monotonic()
    job.close()
    assert time.monotonic() - start < 0.5
