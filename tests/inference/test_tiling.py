import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_grd.config import NetworkConfig, SegmentConfig
from napari_grd.errors import GrdWarning
from napari_grd.inference import tiling
from napari_grd.inference.runtime import runtime_for
from napari_grd.inference.segment import predict
from napari_grd.inference.tiling import plan_tiles, run_tiles
from napari_grd.jobs import Progress, Stopwatch, drain
from napari_grd.models import registry
from napari_grd.models.model import Model, ModelConfig

TORCH = SegmentConfig(runtime="torch", precision="f32", device="cpu")
OPENVINO = TORCH.replace(runtime="openvino")
WHOLE = TORCH.replace(tile=4096)


class Identity:
    """A network that returns the image's channels."""

    name, precision = "identity", "f32"

    def __call__(self, image, take=np.copy):
        return take(np.ascontiguousarray(np.moveaxis(image, 0, -1)))


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


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 200), st.integers(1, 200)),
    tile=st.integers(128, 200),
    halo=st.tuples(st.integers(0, 20), st.integers(0, 40), st.integers(0, 40)),
    stride=st.sampled_from([(1, 1, 1), (1, 27, 27), (2, 8, 8), (16, 16, 16)]),
    blend=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_tiles_of_volumes_restore_the_image(shape, tile, halo, stride, blend):
    image = np.random.default_rng(0).random((2, *shape), np.float32)
    tiles = plan_tiles(shape, tile=tile, halo=halo, stride=stride, blend=blend)
    for spans in tiles:
        for axis, span in enumerate(spans):
            assert span.read.start % stride[axis] == 0
            assert span.read.start <= max(0, span.write.start - halo[axis])
            assert span.read.stop >= min(shape[axis], span.write.stop + halo[axis])
    embedding, rest = drain(run_tiles(Identity(), image, tiles, 1, Stopwatch("Testing", len(tiles))))
    np.testing.assert_allclose(embedding[..., 0], image[0], atol=1e-6)
    np.testing.assert_allclose(rest, image[1], atol=1e-6)


def read_of(tiles):
    return [math.prod(span.read.stop - span.read.start for span in spans) for spans in tiles]


def test_tiles_of_volumes_are_bounded_and_read_little():
    shape = (64, 512, 512)
    tiles = plan_tiles(shape, tile=1024, halo=(10, 45, 45), stride=(2, 8, 8), blend=[False] * 3)
    assert max(read_of(tiles)) <= 5 * 1024**2
    assert sum(read_of(tiles)) < 1.9 * math.prod(shape)
    assert len(plan_tiles((16, 512, 512), tile=1024, halo=(10, 45, 45), stride=(2, 8, 8))) == 1
    # Sections are thick: cutting between them costs less context.
    cuts = plan_tiles((200, 300, 300), tile=1024, halo=(10, 80, 80), stride=(1, 16, 16), blend=[False] * 3)
    assert all(spans[axis].write == slice(0, 300) for spans in cuts for axis in (1, 2))


def test_a_volume_with_no_room_for_a_core_is_cut_as_well_as_it_goes():
    tiles = plan_tiles((400, 400, 400), tile=128, halo=(80, 80, 80), stride=(16, 16, 16))
    assert 8 * 128**2 < max(read_of(tiles)) < 300**3


class Valid(nn.Module):
    """Two pooling levels of valid convolutions: a small MALA."""

    def __init__(self, out_channels):
        super().__init__()
        self.first = nn.Conv3d(1, 3, 3)
        self.below = nn.Conv3d(3, out_channels, 3)

    def forward(self, x):
        below = self.below(nn.functional.max_pool3d(torch.relu(self.first(x)), (1, 3, 3)))
        return nn.functional.interpolate(below, scale_factor=[1.0, 3.0, 3.0], mode="nearest")


@pytest.fixture
def valid_model(monkeypatch):
    monkeypatch.setattr(registry, "registered", dict(registry.registered))

    @registry.register("small_valid", stride=(1, 3, 3), ndim=3, margin=(2, 4, 4), smallest=(5, 11, 11), halo=(2, 6, 6))
    def small_valid(in_channels, out_channels):
        return Valid(out_channels)

    torch.manual_seed(0)
    return Model.create(ModelConfig(network=NetworkConfig(name="small_valid"), ndim=3))


@pytest.mark.parametrize("config", [TORCH, OPENVINO], ids=["torch", "openvino"])
@pytest.mark.parametrize("shape", [(21, 100, 83), (1, 200, 3), (2, 1, 150), (7, 64, 65)])
def test_tiles_of_a_valid_network_agree_with_the_whole(valid_model, config, shape):
    image = np.random.default_rng(3).random((1, *shape), np.float32)
    run, entry = runtime_for(valid_model, config), valid_model.entry
    whole = run(image)
    assert whole.shape == (*shape, 17)
    seen = []

    def spied(part, **options):
        seen.append(options["context"])
        return run(part, **options)

    axes = [
        tiling._Axis(size, -(-halo // step) * step, step, margin, 0)
        for size, halo, step, margin in zip(shape, entry.halo, entry.strides, entry.margin, strict=True)
    ]
    tiles = list(itertools.product(*(axis.spans(min(3, axis.counts()[-1])) for axis in axes)))
    assert len(tiles) > 1
    embedding, logit = drain(run_tiles(spied, image, tiles, 16, Stopwatch("Testing", 1), entry=entry))
    assert any(any(map(any, context)) for context in seen)
    np.testing.assert_allclose(embedding, whole[..., :16], rtol=0, atol=1e-5)
    np.testing.assert_allclose(logit, whole[..., 16], rtol=0, atol=1e-5)


def test_a_volume_thinner_than_the_margin_is_segmented_with_a_word(valid_model):
    known, config = np.array([[0.0, 1.0]]), TORCH.replace(object_diameter=None, invert=False)
    with pytest.warns(GrdWarning, match=r"'small_valid'.*2 along z \(and 2 are removed\), 3 along x"):
        found = predict(valid_model, np.random.default_rng(0).random((2, 5, 3)), config, intensity_range=known)
    assert found.embedding.shape == (16, 2, 5, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predict(valid_model, np.random.default_rng(0).random((3, 5, 5)), config, intensity_range=known)


@pytest.mark.parametrize("name", ["subpixel_unet3d", "subpixel_unet3d_anisotropic"])
def test_tiles_of_3d_students_agree_with_the_whole(name):
    torch.manual_seed(0)
    model = Model.create(ModelConfig(network=NetworkConfig(name=name, widths=(4, 4, 8)), ndim=3))
    for module in model.network.modules():
        if isinstance(module, nn.BatchNorm3d):  # at their first values deep activations fade away
            nn.init.normal_(module.bias, std=0.5)
    image = np.random.default_rng(4).random((11, 270, 60), np.float32)
    known, config = np.array([[0.0, 1.0]]), TORCH.replace(object_diameter=None, invert=False)
    whole = predict(model, image, config.replace(tile=4096), intensity_range=known)
    assert len(plan_tiles(image.shape, tile=128, halo=(10, 45, 45), stride=model.strides)) > 1
    tiled = predict(model, image, config.replace(tile=128), intensity_range=known)
    np.testing.assert_allclose(tiled.embedding, whole.embedding, rtol=0, atol=1e-5)


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
