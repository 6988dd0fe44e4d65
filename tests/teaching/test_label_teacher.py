"""Labels are found again by the content of their image."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_grd.data.inputs import as_image
from napari_grd.errors import DataError, GrdError, ImageError, LabelError
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.labels import LabelTeacher


def pair(seed: int, shape: tuple[int, ...] = (8, 9)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 999, shape, dtype=np.uint16), rng.integers(0, 4, shape[:2], dtype=np.uint8)


def test_each_image_finds_its_labels() -> None:
    pairs = [pair(0), pair(1)]
    teacher = LabelTeacher(pairs, name="by hand")
    assert isinstance(teacher, Teacher)
    assert teacher.name == "by hand"
    assert not teacher.gives_embeddings
    for image, labels in pairs:
        prediction = teacher.predict(as_image(image, "yx"))
        assert prediction.labels.dtype == np.uint32
        np.testing.assert_array_equal(prediction.labels, labels)
        assert prediction.foreground is prediction.embeddings is prediction.affinities is None


def test_channels_are_told_by_the_labels() -> None:
    image, labels = pair(0, (8, 9, 3))
    last, first = LabelTeacher([(image, labels)]), LabelTeacher([(np.moveaxis(image, -1, 0), labels)])
    assert last.fingerprint == first.fingerprint
    np.testing.assert_array_equal(last.predict(as_image(image, "yxc")).labels, labels)


def test_axes_settle_what_the_labels_leave_open() -> None:
    image, labels = pair(0, (3, 3, 3))
    with pytest.raises(ImageError, match="axes="):
        LabelTeacher([(image, labels)])
    teacher = LabelTeacher([(image, labels)], axes="yxc")
    assert teacher.predict(as_image(image, "yxc")).labels.shape == (3, 3)


def test_volumes() -> None:
    image, labels = np.ones((4, 5, 6), np.uint8), np.ones((4, 5, 6), np.int32)
    assert LabelTeacher([(image, labels)]).predict(image[None]).labels.shape == (4, 5, 6)


def test_an_unknown_image_is_an_error() -> None:
    teacher = LabelTeacher([pair(0)], name="by hand")
    with pytest.raises(GrdError, match=r"'by hand' has no labels for this image of shape \(1, 8, 9\)"):
        teacher.predict(as_image(pair(1)[0], "yx"))


def test_the_fingerprint_is_the_content() -> None:
    a, b = pair(0), pair(1)
    assert LabelTeacher([a, b]).fingerprint == LabelTeacher([b, a, a], name="other").fingerprint
    assert LabelTeacher([a, b]).fingerprint != LabelTeacher([a]).fingerprint
    assert LabelTeacher([a]).fingerprint != LabelTeacher([(a[0], a[1] + 1)]).fingerprint


def test_equal_images_with_different_labels() -> None:
    image, labels = pair(0)
    with pytest.raises(DataError, match="Two equal images"):
        LabelTeacher([(image, labels), (image, labels + 1)])


@pytest.mark.parametrize(
    "labels", [np.zeros((8, 9)), np.zeros((8, 8), int), np.full((8, 9), 2**32), np.full((8, 9), -1)]
)
def test_what_are_no_labels_of_the_image(labels: np.ndarray) -> None:
    with pytest.raises(LabelError):
        LabelTeacher([(pair(0)[0], labels)], axes="yx")


def write(folder: Path, name: str, array: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / name, array)


def test_a_folder_teaches_what_is_labeled(tmp_path: Path) -> None:
    (image, labels), (bare, _) = pair(0), pair(1)
    write(tmp_path / "set" / "images", "a.tif", image)
    write(tmp_path / "set" / "images", "b.tif", bare)
    with pytest.raises(DataError, match="has labels to learn from"):
        LabelTeacher.from_folder(tmp_path / "set")
    write(tmp_path / "set" / "labels", "a.tif", labels)
    teacher = LabelTeacher.from_folder(tmp_path / "set")
    assert teacher.name == "set"
    assert teacher.fingerprint == LabelTeacher([(image, labels)]).fingerprint


def test_an_error_in_a_folder_names_the_file(tmp_path: Path) -> None:
    write(tmp_path / "images", "a.tif", pair(0)[0])
    write(tmp_path / "labels", "a.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(LabelError, match=r"a\.tif"):
        LabelTeacher.from_folder(tmp_path, axes="yx")
