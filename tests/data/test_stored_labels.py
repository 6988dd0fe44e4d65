"""Label images of which parts are read."""

import math

import numpy as np
import pytest

from napari_grd.data.augment import NO_AUGMENTATION, random_patch
from napari_grd.data.stored_labels import LabelParts, StoredLabels
from napari_grd.errors import LabelError


class Array:
    """Neither numpy nor dask nor zarr."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, index: object) -> np.ndarray:
        return self.values[index]


@pytest.mark.parametrize("shape", [(3000, 2100), (70, 300, 700), (1, 1)])
def test_windows_cover_the_image_once_and_the_first_are_far_apart(shape: tuple[int, ...]) -> None:
    count = np.zeros(shape, np.uint8)
    boxes = list(LabelParts(shape).windows())
    for box in boxes:
        count[box] += 1
    assert (count == 1).all()
    if len(boxes) > 1:
        assert math.dist([s.start for s in boxes[0]], [s.start for s in boxes[1]]) > 256


def test_patches_are_those_of_an_array_in_memory() -> None:
    labels = np.zeros((200, 300), np.int32)
    labels[50:90, 220:260] = 7
    image = np.random.default_rng(0).random((1, 200, 300), np.float32)
    stored = StoredLabels(Array(labels), labels.shape)
    hits = 0
    for seed in range(60):
        first, second = (
            random_patch(np.random.default_rng(seed), NO_AUGMENTATION, 32, image, each) for each in (labels, stored)
        )
        assert np.array_equal(first.labels, second.labels)  # type: ignore[arg-type]
        assert np.array_equal(first.image, second.image)
        hits += bool((first.labels == 7).any())
    assert hits > 5


def test_values_are_checked_where_they_are_read() -> None:
    labels = np.zeros((64, 64), np.int16)
    labels[40, 40] = -2
    stored = StoredLabels(Array(labels), labels.shape)
    assert not stored[:32, :32].any()
    with pytest.raises(LabelError, match="negative number -2"):
        stored[32:, 32:]
