import numpy as np
import pytest
from torch import nn

from napari_grd.api import embed, segment
from napari_grd.config import NetworkConfig, SegmentConfig
from napari_grd.errors import ConfigError, NothingStandsOut, OutOfMemory
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.inference import memory
from napari_grd.inference.segment import predict
from napari_grd.jobs import Notice
from napari_grd.models import registry
from napari_grd.models.model import Model, ModelConfig


@pytest.fixture
def volume_model(monkeypatch):
    monkeypatch.setattr(registry, "registered", dict(registry.registered))

    @registry.register("blurred", stride=4, ndim=3)
    def blurred(in_channels: int, out_channels: int, **_: object) -> nn.Module:
        """One 3D convolution between a pooling and an up-sampling."""
        return nn.Sequential(
            nn.AvgPool3d(4), nn.Conv3d(in_channels, out_channels, 3, padding=1), nn.Upsample(scale_factor=4)
        )

    return Model.create(ModelConfig(network=NetworkConfig(name="blurred"), ndim=3, in_channels=2, offsets=OFFSETS_3D))


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_volumes_run_whole_and_in_tiles(volume_model, runtime):
    config = SegmentConfig(runtime=runtime, precision="f32", device="cpu", halo=16)
    image = np.random.default_rng(0).random((9, 110, 70, 2), np.float32)
    whole = predict(volume_model, image, config)
    tiled = predict(volume_model, image, config.replace(tile=128))
    assert whole.embedding.shape == (16, 9, 110, 70)
    assert not whole.is_stack
    assert whole.affinities().shape == (len(volume_model.config.offsets), 9, 110, 70)
    np.testing.assert_allclose(tiled.embedding, whole.embedding, rtol=0, atol=1e-5)
    assert segment(volume_model, image, config, axes="zyxc").shape == (9, 110, 70)


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_there_is_nothing_in_a_constant_volume(volume_model, value):
    config = SegmentConfig(runtime="torch", precision="f32", device="cpu")
    with pytest.warns(NothingStandsOut):
        assert not segment(volume_model, np.full((2, 12, 40, 40), value), config, axes="czyx").any()


def test_planes_are_rescaled_to_the_distance_of_the_training(volume_model):
    model = Model(volume_model.network, volume_model.config.replace(anisotropy=1.0), volume_model.card)
    image = np.random.default_rng(0).random((2, 9, 40, 30), np.float32)
    config = SegmentConfig(runtime="torch", precision="f32", device="cpu", anisotropy=3.0)
    found = predict(model, image, config, axes="czyx")
    assert (found.embedding.shape, found.scale, found.shape) == ((16, 27, 40, 30), 1.0, (9, 40, 30))
    assert segment(model, image, config, axes="czyx").shape == (9, 40, 30)
    assert embed(model, image, config, axes="czyx").shape == (16, 9, 40, 30)
    with pytest.raises(ConfigError, match=r"anisotropy is 40 .*rescaled by 40"):
        segment(model, image, config.replace(anisotropy=40.0), axes="czyx")


@pytest.mark.parametrize(("known", "told"), [(None, "is not known"), (1.0, None), (3.0, "are 3 pixels apart")])
def test_the_distance_of_planes_is_reported_where_it_matters(volume_model, known, told):
    model = Model(volume_model.network, volume_model.config.replace(anisotropy=1.0), volume_model.card)
    image = np.random.default_rng(0).random((2, 9, 40, 30), np.float32)
    config = SegmentConfig(runtime="torch", precision="f32", device="cpu", anisotropy=known)
    messages: list[str] = []
    segment(
        model,
        image,
        config,
        axes="czyx",
        on_event=lambda event: messages.append(event.message) if isinstance(event, Notice) else None,
    )
    assert [text for text in messages if "planes" in text and (told or "") in text] == messages[: told is not None]


def test_a_volume_that_needs_more_memory_than_there_is_is_refused(volume_model, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**6)
    config = SegmentConfig(runtime="torch", precision="f32", device="cpu")
    with pytest.raises(OutOfMemory, match=r"a volume of 20 x 40 x 40 voxels.*segment_zarr"):
        segment(volume_model, np.random.default_rng(0).random((2, 20, 40, 40)), config, axes="czyx")
