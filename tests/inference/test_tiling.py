import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.config import SegmentConfig
from napari_grd.inference.runtime import runtime_for
from napari_grd.inference.segment import predict
from napari_grd.inference.tiling import plan_tiles, run_tiles
from napari_grd.jobs import Progress, Stopwatch, drain

TORCH = SegmentConfig(runtime="torch", precision="f32", device="cpu")
OPENVINO = TORCH.replace(runtime="openvino")
WHOLE = TORCH.replace(tile=4096)


class Identity:
    """A network that returns the image's channels."""

    name, precision = "identity", "f32"

    def __call__(self, image):
        return np.ascontiguousarray(np.moveaxis(image, 0, -1))


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    tile=st.integers(16, 300),
    halo=st.integers(16, 70),
    stride=st.sampled_from([8, 16, 32]),
)
def test_blended_tiles_restore_the_image(shape, tile, halo, stride):
    image = np.random.default_rng(0).random((2, *shape), np.float32)
    tiles = plan_tiles(shape, tile=tile, halo=halo, stride=stride)
    for read, write in ((span.read, span.write) for spans in tiles for span in spans):
        assert read.start % stride == 0
        assert read.start <= max(0, write.start - halo)
    for axis, size in enumerate(shape):
        assert all(s[axis].read.stop >= min(size, s[axis].write.stop + halo) for s in tiles)
    embedding, rest = drain(run_tiles(Identity(), image, tiles, 1, Stopwatch("Testing", len(tiles))))
    np.testing.assert_allclose(embedding[..., 0], image[0], atol=1e-6)
    np.testing.assert_allclose(rest, image[1], atol=1e-6)


def test_volumes_are_tiled_along_every_axis():
    image = np.random.default_rng(0).random((1, 130, 150, 20), np.float32)
    tiles = plan_tiles(image.shape[1:], tile=512, halo=16, stride=8)
    assert len(tiles) == 3 * 3
    embedding, rest = drain(run_tiles(Identity(), image, tiles, 1, Stopwatch("Testing", len(tiles))))
    np.testing.assert_allclose(embedding[..., 0], image[0], atol=1e-6)
    assert rest is None


@pytest.mark.parametrize("config", [TORCH, OPENVINO], ids=["torch", "openvino"])
def test_tiles_agree_with_the_whole_image(model, config):
    image = np.random.default_rng(1).random((330, 401), np.float32)
    known = np.array([[0.0, 1.0]])  # as an empty field it would be shown with little contrast
    whole, tiled = (predict(model, image, config.replace(tile=tile), intensity_range=known) for tile in (4096, 128))
    assert len(plan_tiles(image.shape, tile=128, halo=80, stride=16)) == 3 * 4
    np.testing.assert_allclose(tiled.embedding, whole.embedding, rtol=0, atol=1e-5)
    np.testing.assert_allclose(tiled.foreground, whole.foreground, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [TORCH, OPENVINO], ids=["torch", "openvino"])
def test_interior_of_a_crop_agrees_with_the_whole_image(model, config):
    image = np.random.default_rng(2).random((1, 320, 352), np.float32)
    run = runtime_for(model, config)
    whole, crop = run(image)[64:304, 80:304], run(np.ascontiguousarray(image[:, 64:304, 80:304]))
    halo = SegmentConfig().halo
    np.testing.assert_allclose(crop[halo:-halo, halo:-halo], whole[halo:-halo, halo:-halo], rtol=0, atol=1e-5)
    # The network does look that far: a smaller default would show.
    less = halo - 16
    assert np.abs(crop[less:-less, less:-less] - whole[less:-less, less:-less]).max() > 1e-3


def test_progress_is_reported_for_each_tile(model):
    events = []
    tiles = plan_tiles((400, 100), tile=128, halo=16, stride=16)
    image = np.zeros((1, 400, 100), np.float32)
    drain(run_tiles(Identity(), image, tiles, 1, Stopwatch("Testing", len(tiles))), events.append)
    assert {event.done for event in events} >= set(range(1, len(tiles) + 1))
    assert all(isinstance(event, Progress) and event.total == len(tiles) for event in events)
    assert events[-1].seconds_left == 0
