"""COCO files, read back with pycocotools."""

import contextlib
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

import napari_grd.api as grd
from napari_grd.io.objects.coco import CocoDataset
from napari_grd.io.objects.source import label_source
from napari_grd.jobs import drain

# pycocotools', of how it hands out a mask.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def read(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):  # it chats
        return COCO(str(path))


def assert_same(dataset: COCO, image: int, labels: Any) -> None:
    annotations = dataset.loadAnns(dataset.getAnnIds(imgIds=image))
    assert [annotation["label"] for annotation in annotations] == np.unique(labels[labels > 0]).tolist()
    for annotation in annotations:
        mask = labels == annotation["label"]
        np.testing.assert_array_equal(dataset.annToMask(annotation).astype(bool), mask)
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert (y, x) == (rows.min(), columns.min())
        assert (y + height, x + width) == (rows.max() + 1, columns.max() + 1)
        assert annotation["area"] == mask.sum()
        assert annotation["iscrowd"] == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_mask_is_its_object(planes: Any, data: st.DataObject) -> None:
    labels = data.draw(planes)
    with TemporaryDirectory() as folder:
        dataset = read(grd.export_objects(labels, Path(folder) / "a.json"))
    assert_same(dataset, 1, labels)


def test_what_readers_of_coco_expect(tmp_path: Path, drawn: Any) -> None:
    path = grd.export_objects(drawn, tmp_path / "a.json", image="cells.tif", class_name={3: "round"})
    dataset = read(path)
    assert dataset.loadImgs([1]) == [{"id": 1, "file_name": "cells.tif", "width": 60, "height": 40}]
    names = {number: category["name"] for number, category in dataset.cats.items()}
    found = {annotation["label"]: annotation for annotation in dataset.anns.values()}
    assert {label: names[one["category_id"]] for label, one in found.items()} == dict.fromkeys(found, "object") | {
        3: "round"
    }
    assert [len(found[label]["segmentation"]) for label in (3, 12)] == [1, 2], "polygons, one a part"
    assert set(found[900]["segmentation"]) == {"size", "counts"}, "polygons of COCO have no holes"
    assert_same(dataset, 1, drawn)


def test_a_stack_has_an_image_for_every_plane(tmp_path: Path, drawn: Any) -> None:
    labels = np.stack([drawn, np.zeros_like(drawn), drawn.T[:40].repeat(2, axis=1)[:, :60]])
    dataset = read(grd.export_objects(labels, tmp_path / "a.json", image="stack.tif"))
    assert [(one["file_name"], one["z"]) for one in dataset.imgs.values()] == [("stack.tif", z) for z in range(3)]
    for plane, image in zip(labels, dataset.imgs, strict=True):
        assert_same(dataset, image, plane)


def test_many_images_go_into_one_file(tmp_path: Path, drawn: Any) -> None:
    dataset = CocoDataset()
    for number, labels in enumerate([drawn, drawn[::-1], drawn[:20, :9]]):
        drain(dataset.iter_add(label_source(labels, image=f"{number}.png"), lambda _label: "nucleus"))
    read_back = read(dataset.write(tmp_path / "all.json"))
    assert [one["file_name"] for one in read_back.imgs.values()] == ["0.png", "1.png", "2.png"]
    assert [category["name"] for category in read_back.cats.values()] == ["nucleus"]
    assert len(read_back.anns) == 7 + 7 + 1
    assert_same(read_back, 2, drawn[::-1])
