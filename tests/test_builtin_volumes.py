"""The built-in models of volumes do what their cards say."""

import numpy as np
import pytest
from scipy import ndimage

import napari_grd as grd
from napari_grd.data.kinds import VOLUME
from napari_grd.data.simulate_stack import nuclei_stack
from napari_grd.hub import builtin_paths

CONFIG = grd.SegmentConfig(precision="f32", device="cpu")


@pytest.mark.parametrize("spacing", [1.0, 3.0])
def test_nuclei_of_a_stack_it_never_saw_are_found(spacing: float) -> None:
    rng = np.random.default_rng(99)
    kind = VOLUME.__class__(radius=8.0, pixels_each=9000, brightness=300.0)
    image, labels = nuclei_stack(rng, (round(48 / spacing), 64, 64), 10, kind=kind, spacing=spacing, fading=0.0)
    found = grd.segment("nuclei-3d", image, CONFIG.replace(anisotropy=spacing), axes="zyx")
    scores = grd.evaluate(reference=labels, labels=found)
    assert scores.ap50 > 0.6


def test_there_is_no_nucleus_in_a_volume_of_noise() -> None:
    noise = np.random.default_rng(0).poisson(30, (32, 64, 64)).astype(np.uint16)
    assert not grd.segment("nuclei-3d", noise, CONFIG.replace(anisotropy=1.0), axes="zyx").any()


def test_neurites_fill_a_volume() -> None:
    """Tubes with dark membranes between them."""
    labels = np.arange(16).reshape(4, 4).repeat(16, axis=0).repeat(16, axis=1)[None].repeat(32, axis=0) + 1
    borders = np.zeros(labels.shape, bool)
    for axis in (1, 2):
        borders |= (labels != np.roll(labels, 1, axis)) | (labels != np.roll(labels, -1, axis))
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(np.where(borders, 40.0, 160.0), (0, 1.2, 1.2)) + rng.normal(0, 8, labels.shape)
    found = grd.segment("neurites", image.clip(0, 255).astype(np.uint8), CONFIG.replace(anisotropy=1.0), axes="zyx")
    assert (found > 0).all()
    assert grd.evaluate(reference=labels, labels=found).arand < 0.3


@pytest.mark.parametrize("name", ["nuclei-3d", "neurites"])
def test_its_card_says_what_it_is_for(name: str) -> None:
    (card,) = [card for card in grd.builtin_models() if card.name == name]
    assert "volumes" in card.summary
    assert card.scores
    assert card.limits
    assert card.trained_on
    assert builtin_paths()[name].stat().st_size < 1.6e6
