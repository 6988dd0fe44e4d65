"""Learning in the last layers of a large network, from features that are computed once."""

from typing import Any

import numpy as np
import pytest
import torch

from napari_grd.config import AugmentConfig, FineTuneConfig, NetworkConfig
from napari_grd.data.dataset import Example, PatchSampler
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ConfigError
from napari_grd.finetuning import candidate
from napari_grd.finetuning.candidate import Candidate
from napari_grd.finetuning.features import FeatureCache, learns_in_decoder, views
from napari_grd.models.model import Model, ModelConfig
from napari_grd.models.resunet import ResUNet

DECODER = FineTuneConfig(seconds=None, steps=8, batch=2, patch=32, device="cpu", train="decoder")


class CountingNetwork(ResUNet):
    """Counts the images that it encodes."""

    encoded = 0

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.encoded += len(x)
        return super().encode(x)


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model.create(ModelConfig(network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8)))


@pytest.fixture(scope="module")
def known() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    image, labels = nuclei_2d(np.random.default_rng(0), (96, 96), 8)
    return image[None], np.where(np.isin(labels, (1, 2, 3)), labels.astype(np.int64), -1)


def test_features_are_computed_once() -> None:
    torch.manual_seed(0)
    network = CountingNetwork(1, 5, (2, 4, 4, 4, 4)).eval()
    images = torch.rand(2, 1, 32, 48)
    cache = FeatureCache()
    with torch.no_grad():
        expected = network.encode(images)
        network.encoded = 0
        for _ in range(3):
            for one, two in zip(cache.of(network, images), expected, strict=True):
                torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)
        assert network.encoded == 2
        cache.of(network, torch.stack([images[1], images[1] + 1]))
    assert network.encoded == 3
    assert len(cache) == 3
    assert cache.bytes == sum(level.nbytes for level in expected) * 3 // 2


def test_memory_is_bounded() -> None:
    network = CountingNetwork(1, 5, (2, 4, 4, 4, 4)).eval()
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        size = sum(level.nbytes for level in network.encode(image))
    network.encoded = 0
    cache = FeatureCache(limit=size)
    for _ in range(2):
        cache.of(network, torch.cat([image, image + 1]))
    assert cache.bytes == size
    assert network.encoded == 3  # the second image does not fit


def test_only_the_decoder_learns(model: Model, known: Any) -> None:
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    run = Candidate(model, [known[0]], [known[1]], DECODER).run(None)
    for number in range(3):
        run.advance(number / 8)
    after = run.averaged_weights()
    assert isinstance(model.network, ResUNet)
    modules = {id(module) for module in model.network.encoder}
    frozen = tuple(f"{name}." for name, module in model.network.named_modules() if id(module) in modules)
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    for name, value in before.items():
        assert torch.equal(value, after[name]) == (name.startswith(frozen) or name.endswith(statistics)), name


def test_kept_features_change_nothing(model: Model, known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for limit in (0, 1 << 30):
        monkeypatch.setattr(candidate, "FeatureCache", lambda limit=limit: FeatureCache(limit))
        learner = Candidate(model, [known[0]], [known[1]], DECODER)
        run = learner.run(None)
        for number in range(6):
            run.advance(number / 8)
        assert learner.features is not None
        assert bool(learner.features.bytes) == bool(limit)
        found.append(run.averaged_weights())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_large_networks_learn_in_their_decoder(model: Model) -> None:
    large = Model.create(ModelConfig(network=NetworkConfig(widths=(8, 32, 64, 96, 128))))
    other = Model.create(ModelConfig(network=NetworkConfig(name="espnet", widths=None)))
    auto = FineTuneConfig()
    assert sum(weights.numel() for weights in large.network.parameters()) > 1_000_000
    assert [learns_in_decoder(each, auto) for each in (model, large, other)] == [False, True, False]
    assert not learns_in_decoder(large, auto.replace(train="all"))
    assert learns_in_decoder(model, DECODER)
    with pytest.raises(ConfigError, match="'espnet' cannot be split"):
        learns_in_decoder(other, DECODER)


def test_examples_have_the_same_views_in_any_company() -> None:
    rng = np.random.default_rng(0)
    first, second = (
        Example(name, rng.random((1, 64, 64), np.float32), np.ones((64, 64), np.int64)) for name in ("first", "second")
    )

    def patches(*examples: Example) -> set[bytes]:
        sampler = PatchSampler(examples, batch=1, patch=32, augment=AugmentConfig(), seed=0, views=3)
        return {sampler.batch(step).image.numpy().tobytes() for step in range(60)}

    alone = patches(first)
    assert len(alone) == 3
    assert alone < patches(second, first)
    assert len(patches(second, first)) == 6


def test_few_examples_have_more_views() -> None:
    assert [views(count) for count in (0, 1, 20, 1000)] == [64, 64, 12, 4]
