import numpy as np
import pytest
import torch
from torch import nn

import napari_grd as grd
from napari_grd.config import NetworkConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.graph.affinities import affinities_from_embedding
from napari_grd.models.compact import compact
from napari_grd.models.model import Model, ModelConfig


def both(model, *sides):
    """Affinities and foreground of a model and of its compact form."""
    image = torch.rand(1, model.config.in_channels, *sides, generator=torch.Generator().manual_seed(0))
    for each in (model, compact(model)):
        with torch.no_grad():
            embedding, logit = each.split(each.network.eval()(image))
        yield embedding.shape[1], affinities_from_embedding(embedding, each.config.offsets), logit


@pytest.mark.parametrize(
    ("name", "ndim", "foreground", "channels"),
    [("resunet", 2, True, 9), ("refined_unet", 2, False, 9), ("subpixel_unet", 2, True, 16), ("resunet3d", 3, True, 9)],
)
def test_affinities_and_foreground_are_the_same(name, ndim, foreground, channels):
    torch.manual_seed(0)
    offsets = ModelConfig().offsets if ndim == 2 else ((-1, 0, 0), (0, -1, 0), (0, 0, -1), (0, 0, -5))
    model = Model.create(
        ModelConfig(network=NetworkConfig(name=name), ndim=ndim, foreground=foreground, offsets=offsets)
    )
    (before, expected, logit), (after, affinities, same) = both(model, *[32] * ndim)
    assert (before, after) == (16, channels)
    torch.testing.assert_close(affinities, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(same, logit)


def test_follows_the_weights_and_leaves_the_network_as_it_is():
    model = Model.create(ModelConfig())
    before = [tensor.clone() for tensor in model.network.state_dict().values()]
    first = compact(model).network
    assert all(torch.equal(a, b) for a, b in zip(before, model.network.state_dict().values(), strict=True))
    assert compact(model).network is first
    with torch.no_grad():
        model.network.head.bias[-1] += 1
    assert compact(model).network is not first
    assert compact(model).network.head.bias[-1] == model.network.head.bias[-1]


class Bent(nn.Module):
    """Its last convolution is followed by something that is not linear."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, image):
        return torch.tanh(self.inner(image))


class Twice(Bent):
    """Its last convolution is used before, too."""

    def forward(self, image):
        return self.inner.head(nn.functional.relu(self.inner(image))[:, :8])


@pytest.mark.parametrize("kind", [Bent, Twice])
def test_a_network_with_another_end_stays_as_it_is(kind):
    model = Model.create(ModelConfig())
    other = Model(kind(model.network), model.config)
    assert compact(other) is other


def test_labels_are_those_of_the_whole_embedding():
    image, _ = nuclei_2d(np.random.default_rng(0), (200, 220))
    config = grd.SegmentConfig(object_diameter=None)
    expected = grd.partition(grd.predict("nuclei", image, config))
    assert expected.max() > 10
    np.testing.assert_array_equal(grd.segment("nuclei", image, config), expected)
