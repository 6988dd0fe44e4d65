"""A teacher's prediction fits its image, or is refused at the seam."""

import numpy as np
import pytest

from napari_grd.errors import LabelError
from napari_grd.teaching.base import TeacherPrediction

LABELS = np.zeros((4, 5), np.uint32)


def test_outputs_of_one_shape_are_taken() -> None:
    prediction = TeacherPrediction(LABELS, np.zeros((4, 5), np.float32), np.zeros((16, 4, 5), np.float32))
    assert prediction.affinities is None


def test_labels_have_to_be_uint32() -> None:
    with pytest.raises(LabelError, match=r"type int64.*uint32"):
        TeacherPrediction(LABELS.astype(np.int64))


@pytest.mark.parametrize(
    ("name", "shape"), [("foreground", (5, 4)), ("embeddings", (16, 5, 4)), ("affinities", (4, 5))]
)
def test_other_outputs_have_to_fit_the_labels(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(LabelError, match=rf"{name}.*\(4, 5\)"):
        TeacherPrediction(LABELS, **{name: np.zeros(shape, np.float32)})


def test_affinities_are_those_of_the_standard_offsets() -> None:
    for shape, count in (((4, 5), 10), ((2, 4, 5), 12)):
        labels = np.zeros(shape, np.uint32)
        TeacherPrediction(labels, affinities=np.zeros((count, *shape), np.float32))
        with pytest.raises(LabelError, match=rf"affinities at 3 offsets, not at the {count} standard ones"):
            TeacherPrediction(labels, affinities=np.zeros((3, *shape), np.float32))
