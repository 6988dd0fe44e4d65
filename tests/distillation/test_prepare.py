"""What is wrong with the images is said before anything is computed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_grd.config import DistillConfig, PartitionConfig
from napari_grd.distillation.prepare import check_images, check_some_instances, object_diameter, smallest_object, split
from napari_grd.errors import ConfigError, DataError, ImageError, LabelError

Make = Callable[..., DistillConfig]


def image(*shape: int) -> Any:
    return np.random.default_rng(0).random(shape or (64, 64))


def test_one_bare_array_is_one_image(small: Make) -> None:
    data = check_images(image(), np.ones((64, 64), int), small(), None)
    assert len(data) == 1
    assert data.images[0].shape == (1, 64, 64)


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        ([], None, DataError, "no images"),
        ([image()], [None, None], LabelError, "1 images and 2 label"),
        ([image(), image(40, 64)], None, ImageError, r"Image 1: .*\(40, 64\).*patch has 48.*Set patch to 32"),
        ([image(20, 20)], None, ImageError, "too small for training"),
        ([np.full((64, 64), 7)], None, ImageError, r"constant \(every pixel is 7"),
        ([image() * np.nan], None, ImageError, "Image 0"),
        ([image()], [np.zeros((64, 64))], LabelError, "Image 0"),
        ([image()], [np.zeros((64, 63), int)], LabelError, r"\(64, 63\)"),
    ],
)
def test_bad_input(images: Any, labels: Any, error: type[Exception], message: str, small: Make) -> None:
    with pytest.raises(error, match=message):
        check_images(images, labels, small(), None)


def test_channel_counts_have_to_agree(small: Make) -> None:
    with pytest.raises(ImageError, match="Image 1"):
        check_images([image(3, 64, 64), image(2, 64, 64)], None, small(), "cyx")


def test_nothing_labeled_is_an_error(small: Make) -> None:
    data = check_images([image()], [np.zeros((64, 64), int)], small(), None)
    with pytest.raises(LabelError, match="None of the 1 label images"):
        check_some_instances(data)


def test_the_split_is_spread_and_repeatable(small: Make) -> None:
    data = check_images([image() + i for i in range(10)], None, small(), None)
    kept, held = split(data, 0.2)
    assert held is not None
    assert [int(array.min()) for array in held.images] == [0, 5]
    assert len(kept) == 8


def test_labeled_images_validate(small: Make) -> None:
    labels: list[Any] = [None] * 4
    labels[1] = labels[2] = np.ones((64, 64), int)
    _, held = split(check_images([image()] * 4, labels, small(), None), 0.5)
    assert held is not None
    assert all(found is not None for found in held.labels)


@pytest.mark.parametrize("fraction", [-0.1, 1.0])
def test_bad_fraction(fraction: float, small: Make) -> None:
    data = check_images([image()] * 3, None, small(), None)
    with pytest.raises(ConfigError, match=str(fraction)):
        split(data, fraction)


def test_one_image_is_not_split(small: Make) -> None:
    assert split(check_images([image()], None, small(), None), 0.2)[1] is None


def test_diameter_of_a_disk() -> None:
    y, x = np.mgrid[:64, :64]
    disk = ((y - 30) ** 2 + (x - 30) ** 2 < 15**2).astype(int)
    assert object_diameter([None, disk]) == pytest.approx(30, abs=0.5)
    assert object_diameter([disk * 0]) is None


def test_what_is_smaller_than_nearly_all_objects_is_no_object() -> None:
    labels = np.kron(np.arange(1, 41).reshape(5, 8), np.ones((10, 10), int))
    labels[1:10, :10] = 0  # ten pixels are left of the first one
    assert smallest_object([None, labels, np.full((4, 4), -1)]) == 50
    assert smallest_object([labels * 0]) == PartitionConfig().min_size


def test_few_labeled_images_are_drawn_more_often(small: Make) -> None:
    known = np.ones((64, 64), int)
    data = check_images([image()] * 6, [known, None, None, None, known, None], small(), None)
    favored = data.favoring_labeled(0.5)
    assert favored.weights == pytest.approx((0.25, 0.125, 0.125, 0.125, 0.25, 0.125))
    taught = favored.take([0, 1, 5]).with_labels([known] * 3)
    examples = taught.examples(small())
    assert [example.weight for example in examples] == pytest.approx([0.25, 0.125, 0.125])
    validated, held = split(favored, 0.5)
    assert held is not None
    assert len(held) == 1
    assert validated.weights == pytest.approx((*[0.125] * 3, 0.25, 0.125))


@pytest.mark.parametrize("count", [0, 2, 3, 4])
def test_images_are_drawn_alike_if_none_all_or_enough_have_labels(count: int, small: Make) -> None:
    labels = [np.ones((64, 64), int)] * count + [None] * (4 - count)
    assert check_images([image()] * 4, labels, small(), None).favoring_labeled(0.5).weights is None
