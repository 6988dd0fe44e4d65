"""Calibration patches are small, repeatable, and show what the model will see."""

import numpy as np
import pytest
import torch

from napari_grd.data.intensity import normalized
from napari_grd.errors import DataError, GrdError, ImageError
from napari_grd.hub import load_model
from napari_grd.inference.int8_calibration import calibrate_int8, calibration_images
from napari_grd.io.model_file import save_model
from napari_grd.models.model import Model, ModelConfig


def test_patches_are_normalized_pieces_of_the_images(model):
    image = np.random.default_rng(0).integers(100, 4000, (128, 128), dtype=np.uint16)
    found = calibration_images(calibrate_int8(model, [image]))
    assert found.shape == (16, 1, 128, 128)
    expected = normalized(image[None], model.config.normalization)
    np.testing.assert_allclose(found[3], expected, rtol=0, atol=1 / 128)


def test_every_image_has_its_share_and_the_choice_is_repeatable(model):
    images = [np.random.default_rng(seed).random((140, 150)) for seed in range(5)]
    first, again = (calibrate_int8(model, images).calibration for _ in range(2))
    assert torch.equal(first, again)
    assert len({patch.numpy().tobytes() for patch in first}) == 16


def test_small_images_are_mirrored_and_stacks_taken_apart(model):
    assert calibrate_int8(model, np.random.default_rng(0).random((3, 40, 50)), axes="zyx").calibration.shape[2:] == (
        128,
        128,
    )


def test_they_are_saved_with_the_model(model, tmp_path):
    calibrated = calibrate_int8(model, np.random.default_rng(0).random((130, 130)))
    found = load_model(save_model(calibrated, tmp_path / "a"))
    assert torch.equal(found.calibration, calibrated.calibration)
    assert load_model(save_model(model, tmp_path / "b")).calibration is None


def test_mistakes_are_named(model):
    with pytest.raises(DataError, match="no images"):
        calibrate_int8(model, [])
    with pytest.raises(ImageError, match="Image 1: "):
        calibrate_int8(model, [np.zeros((50, 50)), np.zeros((50, 50), complex)])
    with pytest.raises(GrdError, match=r"not calibrated.*grd\.calibrate"):
        calibration_images(Model.create(ModelConfig()))
