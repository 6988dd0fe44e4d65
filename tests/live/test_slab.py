"""Live on a slab of a volume."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

import napari_grd.api as grd
from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.inference.prediction import partition_prediction
from napari_grd.live.cache import CellCache
from napari_grd.live.slab import SlabSegmenter, iter_predict_volume_plane
from napari_grd.live.viewport import Viewport
from napari_grd.models.model import Model, ModelConfig

from .conftest import ArraySource

F32 = SegmentConfig(runtime="torch", precision="f32", object_diameter=None)


def model_of(name, **config):
    torch.manual_seed(0)
    widths = {"widths": (4, 6, 8) if name.startswith("subpixel") else (1,) * 7}
    return Model.create(ModelConfig(ndim=3, network={"name": name, **widths}, offsets=OFFSETS_3D, **config))


@pytest.fixture(scope="module")
def model():
    return model_of("subpixel_unet3d")


@pytest.fixture(scope="module")
def volume():
    """Bright blobs in the dark, (z, y, x)."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((40, 96, 112)), 3)
    return np.clip(4000 * (noise - np.quantile(noise, 0.6)) / np.ptp(noise), 0, None).astype(np.uint16)


def segmenter(volume, model, config=F32, planes=9, megabytes=200):
    source = ArraySource([volume[None]])
    return SlabSegmenter(source, model, config, CellCache(megabytes * 2**20), planes=planes)


def look(z, y=0, x=0, height=64, width=64, plane=(), across=0):
    low, high = [y, x], [y + height - 1, x + width - 1]
    low.insert(across, z)
    high.insert(across, z)
    return Viewport(plane, tuple(low), tuple(high), across)


def run(steps):
    return [painted for painted in steps if painted is not None]


def test_a_slab_around_the_plane_is_labeled_and_no_more(volume, model, counting):
    live = segmenter(volume, model)
    [painted] = run(live.view(look(20, 5, 40)))
    assert painted.view.region == (slice(16, 25), slice(0, 96), slice(32, 112))
    assert painted.count == len(np.unique(live.canvas.labels)) - 1 > 0
    assert live.canvas.labels.shape == volume.shape
    outside = live.canvas.labels.copy()
    outside[painted.view.region] = 0
    assert not outside.any()
    assert counting.calls == [(32, 96, 112)], "of two cells of eight planes, with their context"


@pytest.mark.filterwarnings("ignore:The image is smaller than the field of view")
@pytest.mark.parametrize(
    ("network", "shape", "apart"),
    [("subpixel_unet3d", (40, 64, 128), 1.0), ("subpixel_unet3d", (20, 64, 96), 2.0), ("mala", (12, 60, 60), 1.0)],
)
def test_the_refined_slab_is_that_of_the_whole_volume(network, shape, apart, volume):
    """Embeddings are stored as float16."""
    model, image = model_of(network, anisotropy=1.0), volume[: shape[0], : shape[1], : shape[2]]
    config = F32.replace(anisotropy=apart)
    live = segmenter(image, model, config, planes=5)
    seen = look(6, 0, 0, 32, 32)
    run(live.view(seen))
    [painted] = run(live.fill(seen))
    assert painted.idle
    whole = grd.predict(model, image, config, axes="zyx")
    found = live._part(seen, live._settled_span(seen))
    embedding, foreground = live._embedder.assemble(live._embedder.excerpt((), found[0]))
    inside = live._lattice.grid_of(found[0])
    np.testing.assert_allclose(np.moveaxis(embedding, -1, 0), whole.embedding[:, *inside], atol=4e-3)
    np.testing.assert_allclose(foreground, whole.foreground[inside], atol=4e-3)
    assert not run(live.fill(seen)), "there is nothing left to refine"


def test_labels_are_the_partition_of_the_slab(volume, model, counting):
    live = segmenter(volume, model)
    [painted] = run(live.view(look(20)))
    whole = _prediction(volume, live, counting)
    expected = partition_prediction(_cut(whole, painted.view.region), model.config.partition)
    np.testing.assert_array_equal(live.canvas.labels[painted.view.region], expected)


def test_scrolling_within_the_slab_changes_nothing(volume, model, counting):
    live = segmenter(volume, model)
    run(live.view(look(20)))
    before, calls = live.canvas.labels.copy(), len(counting.calls)
    for z in (21, 22, 19, 18):
        [painted] = run(live.view(look(z)))
        assert painted.view.region[0] == slice(16, 25)
    np.testing.assert_array_equal(live.canvas.labels, before)
    assert len(counting.calls) == calls


def test_the_slab_follows_and_objects_keep_their_numbers(volume, model, counting):
    live = segmenter(volume, model)
    run(live.view(look(20)))
    before = live.canvas.labels.copy()
    [painted] = run(live.view(look(23)))
    assert painted.view.region[0] == slice(19, 28)
    assert len(counting.calls) == 1, "planes 16 to 31 are known"
    both = slice(19, 25), slice(0, 64), slice(0, 64)
    assert (before[both] == live.canvas.labels[both]).mean() > 0.97
    run(live.view(look(23, 8, 20)))
    np.testing.assert_array_equal(live.canvas.labels[16:19], before[16:19])
    assert (before[both] == live.canvas.labels[both]).mean() > 0.97
    run(live.view(look(30)))
    assert counting.calls[2:] == [(16, 96, 96)], "planes 32 to 39"


def test_at_the_end_of_the_volume_the_slab_ends(volume, model, counting):
    live = segmenter(volume, model)
    for z, planes in ((0, slice(0, 9)), (2, slice(0, 9)), (39, slice(31, 40))):
        [painted] = run(live.view(look(z)))
        assert painted.view.region[0] == planes
    assert run(live.view(look(50))) == []
    thin = segmenter(volume[:3], model)
    [painted] = run(thin.view(look(1)))
    assert painted.view.region[0] == slice(0, 3)


def test_after_any_detour_the_labels_are_those_of_a_new_segmentation(volume, model):
    image = volume.copy()
    live = segmenter(image, model)
    for seen in (look(20), look(22, 30, 20)):
        run(live.view(seen))
        run(live.fill(seen))
    run(live.view(look(31, 10, 10)))
    image[24:26, 50:60, 50:60] = 0  # beyond the view, but seen by the network
    seen = look(18, 5, 40)
    run(live.view(seen))
    [painted] = run(live.fill(seen))
    fresh = segmenter(image, model)
    run(fresh.view(seen))
    [expected] = run(fresh.fill(seen))
    assert painted.view == expected.view
    inside = expected.view.region
    scores = grd.evaluate(fresh.canvas.labels[inside], live.canvas.labels[inside])
    assert scores.arand < 0.002, "outputs of other pieces are rounded otherwise"


def test_what_was_prepared_costs_no_network(volume, model, counting):
    live = segmenter(volume, model)
    run(live.view(look(12)))
    list(live.prepare(look(20)))
    calls = len(counting.calls)
    run(live.view(look(16)))
    assert len(counting.calls) == calls


def test_the_slider_needs_no_network(volume, model, counting):
    live = segmenter(volume, model)
    seen = look(20)
    [first] = run(live.view(seen))
    calls = len(counting.calls)
    [second] = run(live.view(seen, PartitionConfig(min_size=1500)))
    assert second.count < first.count
    assert len(counting.calls) == calls


def test_changed_voxels_are_noticed(volume, model, counting):
    image = volume.copy()
    live = segmenter(image, model)
    run(live.view(look(20)))
    image[18:22, 20:40, 20:40] = 0
    run(live.view(look(20)))
    assert len(counting.calls) == 2
    assert not live.canvas.labels[19:21, 24:36, 24:36].any()


def test_a_slab_of_rows_is_seen_from_the_side(volume, model, counting):
    live = segmenter(volume, model)
    [painted] = run(live.view(look(50, 0, 0, 40, 64, across=1)))
    assert painted.view.region == (slice(0, 40), slice(46, 55), slice(0, 64))
    assert painted.view.across == 1
    assert live.canvas.labels[:, 46:55].any()


def test_a_rescaled_volume_has_labels_at_its_own_resolution(volume, counting):
    model = model_of("subpixel_unet3d", object_diameter=10)
    live = segmenter(volume, model, F32.replace(object_diameter=20.0))
    [painted] = run(live.view(look(20)))
    assert painted.view.region[0] == slice(16, 25)
    assert live.image_view.scale == 0.5
    whole = segmenter(volume, model, F32.replace(object_diameter=20.0), planes=40)
    run(whole.view(look(20, 0, 0, 96, 112)))
    inside = painted.view.region
    assert ((live.canvas.labels > 0) == (whole.canvas.labels > 0))[inside].mean() > 0.99


def test_planes_far_apart_are_rescaled(volume, counting):
    """A slab has planes of the image, the network those of its training."""
    model = model_of("subpixel_unet3d", anisotropy=1.0)
    live = segmenter(volume, model, F32.replace(anisotropy=2.0))
    [painted] = run(live.view(look(20)))
    assert painted.view.region[0] == slice(16, 25)
    assert counting.calls == [(40, 96, 96)]
    assert live.canvas.labels[16:25].any(axis=(1, 2)).all()


@pytest.mark.parametrize("apart", [1.0, 2.0])
def test_a_plane_is_predicted_with_those_around_it(volume, apart):
    model, image = model_of("subpixel_unet3d", anisotropy=1.0), volume[:6, :40, :48]
    config = F32.replace(anisotropy=apart)
    embedding, foreground = grd.drain(iter_predict_volume_plane(ArraySource([image[None]]), model, config, (3,)))
    whole = grd.predict(model, image, config, axes="zyx")
    at = int(3.5 * apart)
    np.testing.assert_allclose(embedding, np.moveaxis(whole.embedding[:, at], 0, -1), atol=4e-3)
    np.testing.assert_allclose(foreground, whole.foreground[at], atol=4e-3)


def test_volumes_of_a_series_have_their_own_labels(volume, model, counting):
    series = np.stack([volume, np.roll(volume, 3, 1)])
    live = segmenter(series, model)
    run(live.view(look(20, plane=(0,))))
    assert not live.canvas.labels[1].any()
    run(live.view(look(20, plane=(1,))))
    assert live.canvas.labels[1].any()


def test_a_large_view_is_cut_to_its_middle(model, counting):
    large = np.random.default_rng(0).integers(0, 100, (9, 700, 700)).astype(np.uint8)
    live = segmenter(large, model, megabytes=40)
    [painted] = run(live.view(look(4, 0, 0, 700, 700)))
    assert painted.cut
    rows, columns = painted.view.region[1:]
    assert abs(rows.start + rows.stop - 700) <= 64
    assert abs(columns.start + columns.stop - 700) <= 64


def test_nothing_is_found_where_nothing_is(model, counting):
    live = segmenter(np.full((12, 40, 40), 7, np.uint8), model)
    [painted] = run(live.view(look(5)))
    assert painted.count == 0
    assert not counting.calls


def _prediction(volume, live, counting):
    """What the counting runtime answers of the whole volume."""
    statistics = live._statistics.of(())
    output = counting(statistics.normalize(volume[None]), lambda found: found)
    counting.calls.pop()
    whole = grd.predict(live._model, volume, F32, axes="zyx")
    kept = output.astype(np.float16).astype(np.float32)
    return replace(whole, embedding=np.moveaxis(kept[..., :16], -1, 0), foreground=1 / (1 + np.exp(-kept[..., 16])))


def _cut(prediction, box):
    shape = tuple(span.stop - span.start for span in box)
    return replace(
        prediction, embedding=prediction.embedding[:, *box], foreground=prediction.foreground[box], shape=shape
    )
