"""Equal contents have equal keys, different contents different ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_grd.config import NetworkConfig, PartitionConfig
from napari_grd.data.fingerprint import image_key, model_fingerprint
from napari_grd.models.model import Model, ModelConfig

ARRAY = np.arange(24, dtype=np.uint16).reshape(4, 6)


@pytest.mark.parametrize(
    "same", [ARRAY.copy(), np.asfortranarray(ARRAY), np.repeat(ARRAY, 2, axis=1)[:, ::2], ARRAY.astype(">u2")]
)
def test_layout_in_memory_does_not_matter(same: np.ndarray) -> None:
    assert image_key(same) == image_key(ARRAY)


@pytest.mark.parametrize("other", [ARRAY.T, ARRAY.reshape(6, 4), ARRAY[None], ARRAY.astype(np.int16), ARRAY + 1])
def test_type_shape_and_values_matter(other: np.ndarray) -> None:
    assert image_key(other) != image_key(ARRAY)


@pytest.mark.parametrize("array", [np.float32(1), np.zeros((0, 3)), np.zeros((2, 2), bool)])
def test_unusual_arrays_have_a_key(array: np.ndarray) -> None:
    assert len(image_key(array)) == 32


def test_a_model_is_its_weights_and_config() -> None:
    model = Model.create(ModelConfig(network=NetworkConfig(widths=(2, 2, 2, 2, 2), embedding=2)))
    before = model_fingerprint(model)
    assert model_fingerprint(replace(model.with_card(name="other"), pca=torch.zeros(4, 2))) == before
    assert model_fingerprint(replace(model, config=model.config.replace(partition=PartitionConfig(bias=0.1)))) != before
    with torch.no_grad():
        next(model.network.parameters()).flatten()[0] += 1e-6
    assert model_fingerprint(model) != before
