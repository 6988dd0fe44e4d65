"""Random patches of volumes: image, labels and teacher output stay together."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.config import AugmentConfig
from napari_grd.data.augment import NO_AUGMENTATION
from napari_grd.data.volume_patch import is_isotropic, random_volume_patch
from napari_grd.errors import ImageError, LabelError
from napari_grd.graph.affinities import affinities_from_labels, valid_mask
from napari_grd.graph.offsets import OFFSETS_3D

GEOMETRY = AugmentConfig(intensity=0, noise=0, blur=0)
RIGHT_ANGLES = NO_AUGMENTATION.replace(flip=True, rotate90=True)


def blocks(rng: np.random.Generator, shape=(20, 40, 40)) -> np.ndarray:
    """Labels of boxes of 4 x 8 x 8 voxels."""
    numbers = rng.integers(0, 30, [-(-side // step) for side, step in zip(shape, (4, 8, 8), strict=True)])
    for axis, step in enumerate((4, 8, 8)):
        numbers = numbers.repeat(step, axis)
    return numbers[: shape[0], : shape[1], : shape[2]]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), anisotropy=st.sampled_from([1.0, 4.0]))
def test_labels_and_teacher_move_alike(seed, anisotropy) -> None:
    labels = blocks(np.random.default_rng(seed))
    config = GEOMETRY.replace(rotate=0.5, scale=0.5, elastic=0.5, sections=0.5)
    image = labels[None].astype(np.float32)
    rng = np.random.default_rng(seed)
    patch = random_volume_patch(rng, config, (12, 24, 32), image, labels, image, anisotropy=anisotropy)
    assert patch.labels.shape == (12, 24, 32)
    np.testing.assert_array_equal(patch.extra[0], patch.labels)
    assert patch.image.dtype == np.float32
    assert patch.labels.dtype == np.int64


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), anisotropy=st.sampled_from([1.0, 4.0]))
def test_without_free_maps_a_patch_is_exact(seed, anisotropy) -> None:
    labels = blocks(np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    image = labels[None].astype(np.float32)
    patch = random_volume_patch(rng, RIGHT_ANGLES, (8, 16, 24), image, labels, anisotropy=anisotropy)
    np.testing.assert_array_equal(patch.image[0], patch.labels)


def test_planes_far_apart_are_not_exchanged_with_rows() -> None:
    depth = np.broadcast_to(np.arange(30.0, dtype=np.float32)[None, :, None, None], (1, 30, 40, 40))
    exchanged = {1.0: False, 5.0: False}
    for anisotropy in exchanged:
        for seed in range(20):
            rng = np.random.default_rng(seed)
            patch = random_volume_patch(rng, RIGHT_ANGLES, (16, 16, 16), depth, anisotropy=anisotropy).image[0]
            exchanged[anisotropy] |= not (patch == patch[:, :1, :1]).all()
    assert exchanged == {1.0: True, 5.0: False}


def test_a_patch_that_does_not_fit_across_is_not_exchanged() -> None:
    depth = np.broadcast_to(np.arange(12.0, dtype=np.float32)[None, :, None, None], (1, 12, 40, 40))
    for seed in range(20):
        patch = random_volume_patch(np.random.default_rng(seed), RIGHT_ANGLES, (8, 32, 32), depth).image[0]
        assert (patch == patch[:, :1, :1]).all()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_affinities_follow_right_angles(seed) -> None:
    labels = blocks(np.random.default_rng(seed), (12, 32, 32))
    affinities = affinities_from_labels(torch.from_numpy(labels)[None], OFFSETS_3D)[0].numpy()
    image = labels[None].astype(np.float32)
    rng = np.random.default_rng(seed)
    patch = random_volume_patch(rng, RIGHT_ANGLES, (8, 32, 32), image, labels, affinities, slice(0, 12), anisotropy=4.0)
    valid = valid_mask((8, 32, 32), OFFSETS_3D).numpy()
    wanted = affinities_from_labels(torch.from_numpy(patch.labels)[None], OFFSETS_3D)[0].numpy()
    np.testing.assert_array_equal(patch.extra[valid], wanted[valid])


def test_affinities_are_unknown_after_other_maps() -> None:
    labels = blocks(np.random.default_rng(0))
    affinities = np.ones((12, *labels.shape), np.float32)
    config = GEOMETRY.replace(elastic=1.0)
    image = labels[None].astype(np.float32)
    patch = random_volume_patch(np.random.default_rng(0), config, (8, 16, 16), image, labels, affinities, slice(0, 12))
    assert np.isnan(patch.extra).all()


def test_a_small_volume_is_mirrored() -> None:
    image = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    patch = random_volume_patch(np.random.default_rng(0), NO_AUGMENTATION, (4, 8, 8), image)
    assert patch.image.shape == (1, 4, 8, 8)
    assert set(np.unique(patch.image)) == set(range(6))


def test_sections_are_missing_in_the_image_only() -> None:
    labels = np.ones((40, 32, 32), np.int64)
    config = NO_AUGMENTATION.replace(sections=1.0)
    image = labels[None].astype(np.float32)
    found = [random_volume_patch(np.random.default_rng(s), config, (40, 16, 16), image, labels) for s in range(4)]
    assert all((patch.labels == 1).all() for patch in found)
    planes = np.concatenate([patch.image[0].reshape(40, -1) for patch in found])
    assert (planes == planes[:, :1]).all()  # a section as a whole
    assert 0 < (planes[:, 0] == 0).mean() < 0.2
    assert 0.05 < ((planes[:, 0] != 0) & (planes[:, 0] != 1)).mean() < 0.5


def test_the_same_seed_gives_the_same_patch() -> None:
    image = np.random.default_rng(0).random((2, 20, 40, 40), dtype=np.float32)
    config = AugmentConfig(rotate=1, scale=1, elastic=1, sections=1)
    first, second = (random_volume_patch(np.random.default_rng(3), config, (8, 16, 16), image) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)


def test_what_does_not_belong_together_is_refused() -> None:
    rng, image = np.random.default_rng(0), np.zeros((1, 8, 16, 16), np.float32)
    with pytest.raises(ImageError, match=r"Pass \(channel, z, y, x\)"):
        random_volume_patch(rng, NO_AUGMENTATION, (4, 8, 8), image[0])
    with pytest.raises(LabelError, match=r"\(8, 16, 15\)"):
        random_volume_patch(rng, NO_AUGMENTATION, (4, 8, 8), image, np.zeros((8, 16, 15), int))


def test_isotropic_is_nearly_one() -> None:
    assert [is_isotropic(value) for value in (0.5, 0.9, 1.0, 1.1, 2.2)] == [False, True, True, True, False]
