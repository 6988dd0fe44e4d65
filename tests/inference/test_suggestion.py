"""Which built-in model fits an image."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

import napari_grd.api as grd
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ImageError
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.view import resolve_view
from napari_grd.io.images import read_image
from napari_grd.io.listing import find_images


def nuclei():
    return nuclei_2d(np.random.default_rng(0), (256, 256))[0]


def phase():
    """Rims, bright outside and dark inside, on a gray ground."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:300, :300]
    image = rng.normal(120, 1.5, (300, 300))
    for place in rng.uniform(20, 280, (8, 2)):
        distance = np.hypot(y - place[0], x - place[1])
        image += 80 * np.exp(-(((distance - 17) / 2) ** 2)) - 60 * np.exp(-(((distance - 13) / 2) ** 2))
    return image


def tissue():
    light = ndimage.gaussian_filter((nuclei() > np.percentile(nuclei(), 85)).astype(float), 1)
    return np.dstack([235 - 120 * light, 225 - 150 * light - 40, 235 - 60 * light]).astype(np.uint8)


@pytest.mark.parametrize(("image", "name"), [(nuclei, "nuclei"), (phase, "phase"), (tissue, "tissue")])
def test_each_kind_gets_its_model(image, name):
    ranked = grd.suggest_model(image())
    assert ranked[0].name == name
    assert ranked[0].score == 1 > ranked[1].score
    assert {each.name for each in ranked} == {"axons", "cells", "nuclei", "phase", "tissue", "yeast"}
    assert all(each.reason.endswith(".") for each in ranked)


def test_yeast_is_the_second_choice_in_phase_contrast():
    ranked = grd.suggest_model(phase())
    assert [each.name for each in ranked[:2]] == ["phase", "yeast"]
    assert ranked[1].reason == "It was trained on budding yeast in phase contrast alone."


def test_dark_on_bright_is_told_and_still_for_nuclei():
    best = grd.suggest_model(int(nuclei().max()) - nuclei().astype(int))[0]
    assert best.name == "nuclei"
    assert "inverted" in best.reason


def test_axes_are_asked_for_where_they_are_not_clear():
    with pytest.raises(ImageError, match="ambiguous"):
        grd.suggest_model(np.zeros((4, 30, 30)))
    assert grd.suggest_model(np.stack([nuclei()] * 4), "zyx")[0].name == "nuclei"


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (30, 30, 3)])
def test_images_without_content_are_ranked_too(shape):
    assert len(grd.suggest_model(np.zeros(shape))) == 6


def test_a_model_of_another_kind_says_so():
    image = phase()
    source = ArraySource(image, "yx", ndim=2, in_channels=1)
    config = grd.SegmentConfig()
    note = resolve_view(source, grd.load_model("nuclei").config, config).notes[0]
    assert "phase contrast" in note
    assert note.endswith("Try the built-in model 'phase'.")
    assert resolve_view(source, grd.load_model("phase").config, config).notes == ()


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("bbbc039_nuclei", "nuclei"),
        ("dsb2018_fluo", "nuclei"),
        ("mnfinder_nuclei", "nuclei"),
        ("usiigaci_phase", "phase"),
        ("yeastvision_phase", "phase"),
        ("dsb2018_histology_rgb", "tissue"),
    ],
)
def test_real_images_get_their_model(real_data: Path, folder, name):
    files = find_images(real_data / folder / "images")[::7]
    found = [grd.suggest_model(read_image(path).pixels)[0].name for path in files]
    assert found.count(name) >= 0.9 * len(found)
