import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.config import AugmentConfig, DistillConfig, TrainConfig
from napari_grd.data.augment import NO_AUGMENTATION, random_patch
from napari_grd.data.stain import change_stain, with_amounts
from napari_grd.distillation.prepare import check_images
from napari_grd.errors import ImageError

DARKEST = np.array([0.3, 0.15, 0.4])


def tissue(seed=0, size=96):
    """Normalized RGB: a bright background, pink tissue and violet nuclei."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.int32)
    for number, (row, col) in enumerate(rng.integers(8, size - 8, (8, 2)), start=1):
        labels[row - 6 : row + 6, col - 6 : col + 6] = number
    image = np.where(labels > 0, [[[0.3]], [[0.1]], [[0.6]]], [[[0.95]], [[0.7]], [[0.9]]])
    return (image + rng.normal(0, 0.03, image.shape)).astype(np.float32), labels


@settings(deadline=None, max_examples=50)
@given(
    amounts=st.lists(st.floats(0.7, 1.4), min_size=3, max_size=3),
    darkest=st.lists(st.floats(0.1, 0.6), min_size=3, max_size=3),
)
def test_no_stain_stays_none_and_more_of_all_stains_is_darker_between_the_ends(amounts, darkest):
    darkest = np.array(darkest)
    white = with_amounts(np.ones((3, 2, 2), np.float32), np.array(amounts), darkest)
    np.testing.assert_allclose(white, 1, atol=1e-4)
    ramp = np.linspace(0, 1, 11, dtype=np.float32) * np.ones((3, 1, 11), np.float32)
    for factor, above in ((1.4, False), (0.7, True)):
        bent = with_amounts(ramp, np.full(3, factor), darkest)
        np.testing.assert_allclose(bent[:, 0, [0, -1]], [[0, 1]] * 3, atol=1e-4)
        assert (np.diff(bent[:, 0]) > 0).all()
        assert ((bent > ramp)[..., 1:-1] == above).all()


def test_a_color_that_no_stain_has_does_not_come_to_shine():
    green = np.array([0.1, 0.6, 0.1], np.float32).reshape(3, 1, 1)
    for amounts in np.exp(np.random.default_rng(0).uniform(-0.4, 0.4, (50, 3))):
        assert with_amounts(green, amounts, DARKEST).max() <= 1 + 1e-5


def test_a_stain_acts_in_its_own_color():
    image, _ = tissue()
    more = with_amounts(image, np.array([1.0, 1.3, 1.0]), DARKEST) - image
    spread = np.abs(more).mean(axis=(1, 2))
    assert spread.max() > 0.01
    assert np.isfinite(more).all()
    assert not np.allclose(more, with_amounts(image, np.array([1.3, 1.0, 1.0]), DARKEST) - image, atol=0.01)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), low=st.floats(-1e3, 0), high=st.floats(1, 1e3))
def test_any_image_stays_finite_and_float32(seed, low, high):
    rng = np.random.default_rng(seed)
    changed = change_stain(rng, rng.uniform(low, high, (3, 9, 7)).astype(np.float32))
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert np.abs(changed).max() < 100


def test_stain_changes_color_and_leaves_geometry_and_labels_alone():
    image, labels = tissue()
    config = NO_AUGMENTATION.replace(flip=True, rotate90=True)
    hues = []
    for seed in range(12):
        plain = random_patch(np.random.default_rng(seed), config, 64, image, labels, labels[None].astype(np.float32))
        stained = random_patch(
            np.random.default_rng(seed), config.replace(stain=1), 64, image, labels, labels[None].astype(np.float32)
        )
        np.testing.assert_array_equal(stained.labels, plain.labels)
        np.testing.assert_array_equal(stained.extra, plain.extra)
        assert np.abs(stained.image - plain.image).max() > 0.02
        inside = stained.labels > 0
        assert stained.image[:, inside].mean() < stained.image[:, ~inside].mean()  # nuclei are still the darker ones
        color = stained.image[:, inside].mean(axis=1)
        hues.append(color - color.mean())
    assert np.std(hues, axis=0).max() > 0.02


def test_stain_is_drawn_with_its_probability():
    image, _ = tissue()
    plain, sometimes = (
        [random_patch(np.random.default_rng(seed), config, 32, image).image for seed in range(200)]
        for config in (NO_AUGMENTATION, NO_AUGMENTATION.replace(stain=0.3))
    )
    changed = np.mean([not np.array_equal(*pair) for pair in zip(plain, sometimes, strict=True)])
    assert 0.2 < changed < 0.4


@pytest.mark.parametrize("channels", [1, 3])
def test_without_stain_no_random_number_is_drawn_for_it(channels, monkeypatch):
    monkeypatch.setattr("napari_grd.data.augment.change_stain", None)
    image = np.random.default_rng(0).random((channels, 60, 70), dtype=np.float32)
    rng = np.random.default_rng(5)
    random_patch(rng, AugmentConfig(rotate=0, scale=0, elastic=0, intensity=0, noise=0, blur=0), 32, image)
    expected = np.random.default_rng(5)
    expected.integers(0, 60 - 32 + 1), expected.integers(0, 70 - 32 + 1), expected.integers(4), expected.random()
    expected.random(3), expected.random(3)
    assert rng.bit_generator.state == expected.bit_generator.state


def test_an_image_that_is_not_rgb_is_an_error_before_anything_is_trained():
    config = TrainConfig(augment=AugmentConfig(stain=0.5), patch=32)
    images = np.random.default_rng(0).random((1, 2, 40, 40), dtype=np.float32)
    with pytest.raises(ImageError, match=r"Image 0: The stain .*augment\.stain=0\.5.* 2 channel"):
        check_images(list(images), None, config, "cyx")
    with pytest.raises(ImageError, match="stain"):
        random_patch(np.random.default_rng(0), config.augment, 32, images[0])


def test_settings_without_stain_are_written_as_before():
    for config in (AugmentConfig(), TrainConfig(), DistillConfig()):
        assert "stain" not in config.model_dump_json(by_alias=True)
        assert "stain" not in json.dumps(config.on_disk())
        assert type(config)(**config.on_disk()) == config
    stained = TrainConfig().replace(**{"augment.stain": 0.25})
    assert stained.on_disk()["augment"]["stain"] == 0.25
    assert TrainConfig(**stained.on_disk()) == stained
    assert TrainConfig.model_validate(stained.model_dump()) == stained
    assert "stain: 0.0" in TrainConfig().to_yaml()
