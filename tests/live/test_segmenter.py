import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.config import SegmentConfig
from napari_grd.data.intensity import measure_intensity
from napari_grd.errors import ConfigError, ImageError
from napari_grd.live.cache import CellCache
from napari_grd.live.segmenter import LiveSegmenter
from napari_grd.live.viewport import Viewport
from napari_grd.models.model import Model, ModelConfig

from .conftest import ArraySource

F32 = SegmentConfig(runtime="torch", precision="f32")


def segmenter(source, model, config=F32, megabytes=200):
    return LiveSegmenter(source, model, config, CellCache(megabytes * 2**20))


def look(y, x, height=200, width=200, plane=()):
    return Viewport(plane, (y, x), (y + height - 1, x + width - 1))


def run(steps):
    return [painted for painted in steps if painted is not None]


def agreement(labels, reference):
    return grd.evaluate(reference=reference, labels=labels).sbd


def test_a_view_agrees_with_the_whole_image(picture, nuclei):
    whole = grd.segment(nuclei, picture, F32)
    live = segmenter(ArraySource([picture[None]]), nuclei)
    [painted] = run(live.view(look(100, 150)))
    rows, columns = painted.view.region
    assert rows.start <= 100 < 300 <= rows.stop
    assert columns.start <= 150 < 350 <= columns.stop
    inside = slice(120, 280), slice(170, 330)
    assert ((live.canvas.labels[inside] > 0) == (whole[inside] > 0)).mean() > 0.999
    assert painted.count == len(np.unique(live.canvas.labels[rows, columns])) - 1


def test_the_filled_plane_is_the_whole_image(picture, nuclei):
    live = segmenter(ArraySource([picture[None]]), nuclei)
    run(live.view(look(100, 150)))
    run(live.fill(look(100, 150)))
    assert agreement(live.canvas.labels, grd.segment(nuclei, picture, F32)) > 0.99


def test_what_was_seen_costs_no_network_and_a_pan_only_the_strip(picture, nuclei, counting):
    live = segmenter(ArraySource([picture[None]]), nuclei)
    run(live.view(look(64, 64, 192, 192)))
    run(live.view(look(64, 64, 192, 192)))
    assert counting.calls == [(192 + 64, 192 + 64)]
    run(live.view(look(64, 96, 192, 192)))
    assert counting.calls[1:] == [(192 + 64, 32 + 64)]


def test_drafts_give_way_to_outputs_with_all_their_context(picture, nuclei, counting):
    live = segmenter(ArraySource([picture[None]]), nuclei)
    run(live.view(look(64, 64, 192, 192)))
    run(live.fill(look(64, 64, 192, 192)))
    drafts = len(counting.calls)
    run(live.view(look(64, 64, 192, 192)))
    run(live.fill(look(64, 64, 192, 192)))
    assert len(counting.calls) == drafts
    exact = segmenter(ArraySource([picture[None]]), nuclei)
    run(exact.fill(look(64, 64, 192, 192)))
    np.testing.assert_array_equal(live.canvas.labels > 0, exact.canvas.labels > 0)


def test_the_same_pixels_in_another_plane_are_known(picture, nuclei, counting):
    live = segmenter(ArraySource([np.stack([picture, picture])[None]]), nuclei)
    run(live.view(look(0, 0, plane=(0,))))
    run(live.view(look(0, 0, plane=(1,))))
    assert len(counting.calls) == 1
    np.testing.assert_array_equal(live.canvas.labels[0], live.canvas.labels[1])


def test_changed_pixels_are_noticed_and_the_range_with_them(picture, nuclei, counting):
    image = picture[None].copy()
    live = segmenter(ArraySource([image]), nuclei)
    run(live.view(look(0, 0)))
    image[:, 50:90, 50:90] = image.max() * 2
    run(live.view(look(0, 0)))
    assert len(counting.calls) == 2
    excerpt = live._embedder.excerpt((), (slice(0, 2), slice(0, 2)))
    np.testing.assert_array_equal(
        excerpt.statistics.range,
        measure_intensity(image, nuclei.config.normalization, nuclei.config.object_diameter).range,
    )


def test_the_slider_needs_no_network(picture, nuclei, counting, split):
    live = segmenter(ArraySource([picture[None]]), nuclei)
    [first] = run(live.view(look(100, 150)))
    calls = len(counting.calls)
    [second] = run(live.view(look(100, 150), nuclei.config.partition.replace(min_size=400)))
    assert second.count < first.count
    run(live.view(look(100, 150), split))
    assert len(counting.calls) == calls


def test_ids_stay_while_panning(picture, nuclei):
    live = segmenter(ArraySource([picture[None]]), nuclei)
    run(live.view(look(0, 0)))
    before = live.canvas.labels.copy()
    run(live.view(look(40, 60)))
    both = (slice(64, 180), slice(80, 180))
    same = before[both] == live.canvas.labels[both]
    assert same.mean() > 0.99


def test_a_wide_view_is_painted_from_its_middle_and_cut_where_memory_ends(picture, nuclei, counting):
    large = np.tile(picture, (3, 3))[None]
    live = segmenter(ArraySource([large]), nuclei)
    painted = run(live.view(look(0, 0, 1200, 1800)))
    assert len(painted) > 2
    assert all(h * w <= (640 + 160) ** 2 * 1.3 for h, w in counting.calls)
    assert not painted[-1].cut
    small = segmenter(ArraySource([large]), nuclei, megabytes=8)
    [*_, last] = run(small.view(look(0, 0, 1200, 1800)))
    assert last.cut
    run(small.fill(look(500, 500)))


@pytest.mark.parametrize("diameter", [14.0, 55.0])
def test_objects_of_another_size_are_rescaled(picture, nuclei, diameter):
    config = F32.replace(object_diameter=diameter)
    whole = grd.segment(nuclei, picture, config)
    live = segmenter(ArraySource([picture[None]]), nuclei, config)
    run(live.view(look(100, 150)))
    inside = slice(120, 280), slice(170, 330)
    assert ((live.canvas.labels[inside] > 0) == (whole[inside] > 0)).mean() > 0.995
    run(live.fill(look(100, 150)))
    assert agreement(live.canvas.labels, whole) > 0.97


def test_large_objects_are_looked_for_at_a_coarser_level(picture, nuclei):
    pyramid = [np.kron(picture, np.ones((4, 4), picture.dtype))[None], picture[None], picture[None, ::4, ::4]]
    live = segmenter(ArraySource(pyramid), nuclei, F32.replace(object_diameter=4 * nuclei.config.object_diameter))
    assert live.level == 1
    assert live.canvas.labels.shape == picture.shape
    [painted] = run(live.view(look(400, 600, 800, 800)))
    assert painted.view.region[0].start <= 100 < 300 <= painted.view.region[0].stop
    assert segmenter(ArraySource(pyramid), nuclei).level == 0


def test_nothing_visible_is_nothing_to_do(picture, nuclei, counting):
    live = segmenter(ArraySource([picture[None]]), nuclei)
    assert run(live.view(look(-900, 0))) == []
    assert run(live.fill(look(-900, 0))) == []
    assert list(live.prepare(look(-900, 0))) == []


def test_a_plane_is_prepared_ahead_if_there_is_one(picture, nuclei, counting):
    live = segmenter(ArraySource([np.stack([picture, picture[::-1]])[None]]), nuclei)
    assert list(live.prepare(look(0, 0, plane=(2,)))) == []
    list(live.prepare(look(0, 0, plane=(1,))))
    calls = len(counting.calls)
    run(live.view(look(0, 0, plane=(1,))))
    assert len(counting.calls) == calls > 0
    assert not live.canvas.labels[0].any()


def test_bad_input_is_named(picture, nuclei):
    with pytest.raises(ImageError, match="2 channels"):
        run(segmenter(ArraySource([np.stack([picture, picture])]), nuclei).view(look(0, 0)))
    untaught = Model.create(ModelConfig())
    with pytest.raises(ConfigError, match="object_diameter"):
        segmenter(ArraySource([picture[None]]), untaught, F32.replace(object_diameter=9))


def test_labels_that_do_not_fit_are_an_error(nuclei):
    class Vast(ArraySource):
        plane_shape = (10**6, 10**6)

        def read(self, level, plane, region):
            return super().read(level, (), region)

    with pytest.raises(ImageError, match="GiB"):
        segmenter(Vast([np.zeros((1, 64, 64), np.uint8)]), nuclei)
