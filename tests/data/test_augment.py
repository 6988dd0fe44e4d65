import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.config import AugmentConfig
from napari_grd.data.augment import NO_AUGMENTATION, random_patch
from napari_grd.errors import ImageError, LabelError
from napari_grd.graph.affinities import affinities_from_labels, valid_mask
from napari_grd.graph.offsets import OFFSETS_2D

GEOMETRY = NO_AUGMENTATION.replace(flip=True, rotate90=True)
FREE = GEOMETRY.replace(rotate=1, scale=1, elastic=1)
ALL = FREE.replace(intensity=1, noise=1, blur=1)


def address_image(shape):
    """An image whose value tells the pixel, as image, labels and extra."""
    pixels = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    return pixels[None].astype(np.float32), pixels, np.stack([pixels, -pixels]).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    patch=st.sampled_from([5, 16, 33]),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
)
def test_exact_patches_hit_the_same_pixel_in_image_labels_and_extra(seed, patch, height, width):
    image, labels, extra = address_image((height, width))
    got = random_patch(np.random.default_rng(seed), GEOMETRY, patch, image, labels, extra)
    np.testing.assert_array_equal(got.image[0], got.labels)
    np.testing.assert_array_equal(got.extra, np.stack([got.labels, -got.labels]))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), patch=st.sampled_from([8, 9]))
def test_exact_patches_are_turned_crops(seed, patch):
    image, labels, _ = address_image((20, 30))
    got = random_patch(np.random.default_rng(seed), GEOMETRY, patch, image, labels).labels
    top, left = divmod(int(got.min()), 30)
    crop = labels[top : top + patch, left : left + patch]
    squares = [np.rot90(square, turns) for square in (crop, crop[:, ::-1]) for turns in range(4)]
    assert any(np.array_equal(got, square) for square in squares)


def test_switched_off_is_a_plain_crop():
    image, labels, _ = address_image((40, 50))
    got = random_patch(np.random.default_rng(3), NO_AUGMENTATION, 16, image, labels)
    top, left = divmod(int(got.labels[0, 0]), 50)
    np.testing.assert_array_equal(got.labels, labels[top : top + 16, left : left + 16])
    np.testing.assert_array_equal(got.image[0], got.labels)


def test_all_eight_orientations_and_many_places_are_drawn():
    image, labels, _ = address_image((12, 12))
    patches = [
        random_patch(np.random.default_rng(seed), GEOMETRY, 10, image, labels).labels.tobytes() for seed in range(600)
    ]
    assert len(set(patches)) == 8 * 9


def test_a_small_image_is_mirrored_without_repeating_its_border():
    image = np.arange(3, dtype=np.float32).reshape(1, 1, 3)
    for seed in range(10):
        row = random_patch(np.random.default_rng(seed), NO_AUGMENTATION, 8, image).image[0, 0]
        assert set(np.abs(np.diff(row))) == {1.0}


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([7, 40, 90]))
def test_free_patches_stay_aligned(seed, size):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, (size, size + 3))
    image = np.stack([np.arange(size)[:, None] + 0 * labels, np.arange(size + 3) + 0 * labels]).astype(np.float32)
    # extra: the address of the pixel and its label, so that nearest sampling can be followed
    extra = np.concatenate([image, labels[None]]).astype(np.float16)
    got = random_patch(rng, FREE, 32, image, labels, extra)
    rows, cols, values = got.extra
    np.testing.assert_array_equal(values, got.labels)
    np.testing.assert_array_equal(labels[rows.astype(int), cols.astype(int)], got.labels)
    # a linear image is interpolated exactly, so it is within half a pixel of the nearest one
    assert np.abs(got.image - got.extra[:2]).max() <= 0.5 + 1e-4


def test_scale_magnifies_within_its_range():
    image = np.arange(400, dtype=np.float32)[None, None, :].repeat(400, axis=1)
    steps = []
    for seed in range(30):
        config = NO_AUGMENTATION.replace(scale=1, scale_range=(0.5, 2.0))
        # The step of the middle row, away from the mirrored border.
        row = random_patch(np.random.default_rng(seed), config, 64, image).image[0, 32, 24:40]
        steps.append(np.abs(np.diff(row)).max())
    assert 0.5 - 1e-3 <= min(steps) < 0.7
    assert 1.4 < max(steps) <= 2.0 + 1e-3


def test_elastic_deformation_has_the_configured_amplitude():
    image = np.arange(4000, dtype=np.float32)[None, None, :].repeat(300, axis=1)
    config = NO_AUGMENTATION.replace(elastic=1, elastic_amplitude=3.0)
    moved = [
        random_patch(np.random.default_rng(seed), config, 64, image).image[0] - np.arange(64) for seed in range(80)
    ]
    # Subtracting the unknown whole-pixel origin takes the mean with it, so the spread shows in the rounded residue.
    spread = np.std([patch - np.rint(patch.mean()) for patch in moved])
    assert 1.0 < spread < 3.5


def test_intensity_changes_leave_geometry_alone():
    image, labels, extra = address_image((50, 60))
    changed = random_patch(
        np.random.default_rng(5), GEOMETRY.replace(intensity=1, noise=1, blur=1), 32, image / 3000, labels, extra
    )
    plain = random_patch(np.random.default_rng(5), GEOMETRY, 32, image / 3000, labels, extra)
    np.testing.assert_array_equal(changed.labels, plain.labels)
    np.testing.assert_array_equal(changed.extra, plain.extra)
    assert np.abs(changed.image - plain.image).max() > 1e-3


def test_a_patch_is_a_function_of_the_seed():
    image, labels, extra = address_image((50, 60))
    first, second = (random_patch(np.random.default_rng(9), ALL, 32, image, labels, extra) for _ in range(2))
    for name in ("image", "labels", "extra"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_patches_prefer_labeled_pixels():
    image = np.zeros((1, 200, 200), np.float32)
    labels = np.zeros((200, 200), np.int64)
    labels[:100, :100] = 1
    share = [
        random_patch(np.random.default_rng(s), NO_AUGMENTATION, 20, image, labels).labels.any() for s in range(300)
    ]
    plain = (110 / 181) ** 2  # of all places, those that touch the object
    assert np.mean(share) > plain + 0.15


def test_types_and_layout():
    image, labels, extra = address_image((40, 40))
    got = random_patch(
        np.random.default_rng(0), ALL, 24, image, labels.astype(np.uint16), (extra / 4096).astype(np.float16)
    )
    assert (got.image.dtype, got.labels.dtype, got.extra.dtype) == (np.float32, np.int64, np.float32)
    assert (got.image.shape, got.labels.shape, got.extra.shape) == ((1, 24, 24), (24, 24), (2, 24, 24))
    assert all(array.flags.c_contiguous for array in (got.image, got.labels, got.extra))
    got.image[:] = 0
    assert image.any()
    assert random_patch(np.random.default_rng(0), AugmentConfig(), 24, image).labels is None


class CountingArray:
    """Stands in for a zarr array and counts what is read."""

    def __init__(self, values):
        self.values, self.shape, self.read = values, values.shape, 0

    def __getitem__(self, key):
        result = self.values[key]
        self.read += result.size
        return result


def test_only_the_bounding_box_of_extra_is_read():
    extra = CountingArray(np.zeros((2, 500, 500), np.float16))
    image = np.zeros((1, 500, 500), np.float32)
    random_patch(np.random.default_rng(0), NO_AUGMENTATION, 32, image, None, extra)
    assert extra.read == 2 * 32 * 32


@pytest.mark.parametrize(
    ("image", "labels", "extra", "error"),
    [
        (np.zeros((8, 8), np.float32), None, None, ImageError),
        (np.zeros((1, 0, 8), np.float32), None, None, ImageError),
        (np.zeros((1, 8, 8), np.float32), np.zeros((8, 9), int), None, LabelError),
        (np.zeros((1, 8, 8), np.float32), None, np.zeros((2, 9, 8)), ImageError),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(image, labels, extra, error):
    with pytest.raises(error, match=r"shape"):
        random_patch(np.random.default_rng(0), NO_AUGMENTATION, 4, image, labels, extra)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_affinities_of_an_exact_patch_are_those_of_its_labels(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (50, 60))
    known = affinities_from_labels(torch.from_numpy(labels)[None], OFFSETS_2D)[0].numpy()
    extra = np.concatenate([known, labels[None]]).astype(np.float32)
    got = random_patch(rng, GEOMETRY, 32, labels[None].astype(np.float32), labels, extra, slice(0, len(known)))
    wanted = affinities_from_labels(torch.from_numpy(got.labels)[None], OFFSETS_2D)[0].numpy()
    inside = valid_mask((32, 32), OFFSETS_2D).numpy()
    np.testing.assert_array_equal(got.extra[:-1][inside], wanted[inside])
    np.testing.assert_array_equal(got.extra[-1], got.labels)


@pytest.mark.parametrize(("config", "shape"), [(FREE, (50, 60)), (GEOMETRY, (50, 20))], ids=["free", "too small"])
def test_affinities_are_unknown_where_pairs_are_not_those_of_the_image(config, shape):
    image, labels, _ = address_image(shape)
    extra = np.ones((11, *shape), np.float32)
    got = random_patch(np.random.default_rng(0), config, 32, image, labels, extra, slice(0, 10))
    assert np.isnan(got.extra[:10]).all()
    assert (got.extra[10] == 1).all()


def test_ignored_pixels_travel_but_do_not_attract():
    labels = np.full((60, 60), -1)
    labels[30, 30] = 4
    image = np.zeros((1, 60, 60), np.float32)
    patches = [random_patch(np.random.default_rng(s), GEOMETRY, 8, image, labels).labels for s in range(300)]
    assert {-1} <= set(np.unique(patches)) <= {-1, 4}
    # By chance alone a patch in 50 holds the pixel; were ignored pixels centered on, no more than that would.
    found = sum((patch == 4).any() for patch in patches)
    assert found < 30
