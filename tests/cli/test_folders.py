"""Which images a command works on."""

from pathlib import Path

import numpy as np
import pytest

from napari_grd.cli.folders import data_folder, known_group
from napari_grd.errors import DataError
from napari_grd.io.folders import ImageFolder, iter_read
from napari_grd.jobs import drain


def folder(labeled: list[bool]) -> ImageFolder:
    plane = np.zeros((4, 4), np.uint8)
    return ImageFolder(
        [str(i) for i in range(len(labeled))], [plane] * len(labeled), [plane if x else None for x in labeled], "yx"
    )


def test_every_fifth_image_is_held_out() -> None:
    training, held = folder([True] * 11).hold_out(0.2)
    assert held.names == ["0", "5", "10"]
    assert len(training.names) == 8


def test_only_labeled_images_are_held_out() -> None:
    training, held = folder([False, True, False, True, True]).hold_out(0.5)
    assert held.names == ["1", "4"]
    assert training.names == ["0", "2", "3"]


def test_without_any_labels_all_images_can_be_held_out() -> None:
    assert folder([False] * 6).hold_out(0.2)[1].names == ["0", "5"]


@pytest.mark.parametrize(("labeled", "fraction"), [([True], 0.2), ([False], 0.2), ([True] * 5, 0.0), ([True] * 5, 0.9)])
def test_what_cannot_be_split_is_refused(labeled: list[bool], fraction: float) -> None:
    with pytest.raises(DataError):
        folder(labeled).hold_out(fraction)


def test_without_the_variable_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRD_DATA", raising=False)
    with pytest.raises(DataError, match="set GRD_DATA"):
        data_folder(None, "dsb2018_fluo")


def test_a_data_set_lies_in_the_folder_of_the_variable(monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    monkeypatch.setenv("GRD_DATA", str(dataset.parent))
    assert data_folder(None, "discs") == dataset
    with pytest.raises(DataError, match="one of: discs"):
        data_folder(None, "other")


def test_a_folder_is_read_with_its_axes(dataset: Path) -> None:
    read = drain(iter_read(dataset))
    assert (len(read.images), read.axes) == (5, "yx")
    assert all(labels is not None for labels in read.labels)


def test_images_of_one_well_are_held_out_together() -> None:
    images = folder([True, True, True, False, True, True])
    named = ImageFolder(
        ["x_A01_1", "x_A01_2", "x_B02_1", "x_A01_3", "x_C03_1", "x_D04_1"], images.images, images.labels, images.axes
    )
    training, held = named.hold_out(0.5, r"_([A-P]\d\d)_")
    assert held.names == ["x_A01_1", "x_A01_2", "x_C03_1"]
    assert training.names == ["x_B02_1", "x_D04_1"], "the unlabeled image of a held well is not trained on"


@pytest.mark.parametrize("group", ["(", "A01", r"x_(A)"])
def test_a_group_that_does_not_tell_images_apart_is_refused(group: str) -> None:
    images = folder([True, True])
    named = ImageFolder(["x_A01_1", "x_A02_1"], images.images, images.labels, images.axes)
    with pytest.raises(DataError, match=r"group|look"):
        named.hold_out(0.5, group)


def test_the_wells_of_bbbc039_are_known(tmp_path: Path) -> None:
    assert known_group(tmp_path / "bbbc039_nuclei") == r"_([A-P]\d\d)_"
    assert known_group(tmp_path / "mine") is None
