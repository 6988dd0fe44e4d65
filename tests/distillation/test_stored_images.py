"""Images that are not read as a whole: the same training, from patches that are read where they are stored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import zarr

from napari_grd.config import DistillConfig, NetworkConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.data.simulate_stack import nuclei_stack
from napari_grd.distillation import prepare
from napari_grd.distillation.prepare import check_images, check_some_instances
from napari_grd.distillation.recipes import iter_train
from napari_grd.errors import DataError, GrdError, GrdWarning, ImageError, LabelError
from napari_grd.inference import statistics
from napari_grd.jobs import drain
from napari_grd.models.model import Model

Make = Callable[..., DistillConfig]


@pytest.fixture(autouse=True)
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lazy arrays of these tests count as large."""
    monkeypatch.setattr(prepare, "IN_MEMORY", 100)


def on_disk(array: np.ndarray[Any, Any], folder: Path) -> Any:
    return zarr.create_array(folder, data=array, chunks=tuple(min(side, 50) for side in array.shape))


def assert_same(first: Model, second: Model) -> None:
    assert first.config == second.config
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], tensor), name


def test_training_is_the_same_bit_for_bit(small: Make, tmp_path: Path) -> None:
    image, labels = nuclei_2d(np.random.default_rng(0), (128, 160))
    colored = np.stack([image, image[::-1], image.T[:128].repeat(2, 1)[:, :160]], axis=-1)
    config = small(background="boundary", widen_borders=True, steps=3)
    expected = drain(iter_train([colored], [labels], config, axes="yxc"))
    stored = on_disk(colored, tmp_path / "i"), on_disk(labels.astype(np.uint16), tmp_path / "l")
    assert_same(drain(iter_train([stored[0]], [stored[1]], config, axes="yxc")), expected)
    assert_same(drain(iter_train([da.from_zarr(stored[0])], [labels], config, axes="yxc")), expected)


def test_training_on_volumes_is_the_same(small: Make, tmp_path: Path) -> None:
    stack, labels = nuclei_stack(np.random.default_rng(0), (24, 64, 64))
    config = small(patch_depth=8, patch=32, anisotropy=1.0, steps=3, validate_every=3, widen_borders=True)
    config = config.replace(network=NetworkConfig(name="subpixel_unet3d", widths=(4, 4, 4), embedding=4).model_dump())
    expected = drain(iter_train(stack, labels, config))
    model = drain(iter_train(on_disk(stack, tmp_path / "i"), on_disk(labels, tmp_path / "l"), config))
    assert_same(model, expected)
    assert model.card.scores == expected.card.scores  # on the last planes


class Counted:
    """An array that notes the largest part that was read of it."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, index: Any) -> Any:
        part = self.array[index]
        self.most = max(self.most, part.size)
        return part


def test_no_more_is_read_than_windows(small: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_READ", 2**18)
    monkeypatch.setattr(statistics, "_SIDE", 128)
    monkeypatch.setattr("napari_grd.data.stored_labels._SIDES", {2: (256, 256)})
    tile, numbers = nuclei_2d(np.random.default_rng(0), (512, 512))
    image, labels = Counted(np.tile(tile, (4, 4))), Counted(np.tile(numbers, (4, 4)))
    model = drain(iter_train([image], [labels], small()))
    assert max(image.most, labels.most) == 256**2
    assert model.config.object_diameter == pytest.approx(25, rel=0.2)
    assert model.config.contrast == "bright"


def test_large_images_in_memory_are_measured_as_stored_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_READ", 2**14)
    monkeypatch.setattr(statistics, "_SIDE", 32)
    image = np.random.default_rng(0).random((300, 400)).astype(np.float32)
    config = DistillConfig(patch=32)
    (memory,) = check_images(image, np.ones((300, 400), int), config, "yx").examples(config)
    (stored,) = check_images(da.from_array(image), np.ones((300, 400), int), config, "yx").examples(config)
    assert np.array_equal(memory.image[:, 10:50, 20:60], stored.image[:, 10:50, 20:60])


def test_an_interrupted_training_continues_bit_for_bit(small: Make, tmp_path: Path) -> None:
    image, labels = nuclei_2d(np.random.default_rng(0), (128, 160))
    arrays = [on_disk(image, tmp_path / "i")], [on_disk(labels.astype(np.int32), tmp_path / "l")]
    expected = drain(iter_train(*arrays, small(), out_dir=tmp_path / "whole"))
    job = iter_train(*arrays, small(), out_dir=tmp_path / "parts")
    for event in job:
        if getattr(event, "done", 0) == 3:
            job.close()
    assert_same(drain(iter_train(*arrays, small(), out_dir=tmp_path / "parts")), expected)


IMAGE = np.random.default_rng(0).random((1, 64, 64))


@pytest.mark.parametrize(
    ("image", "labels", "match"),
    [
        (IMAGE[0], np.zeros((64, 63), int), r"Image 0: The labels have shape \(64, 63\), their image has \(64, 64\)"),
        (IMAGE[0], np.ones((64, 64)), "Image 0: The labels have values of type float64"),
        (IMAGE[0, :40], np.ones((40, 64), int), r"Image 0: its sides are \(40, 64\) pixels, but a patch has 48"),
        (IMAGE, np.ones((64, 64), int), r"Image 0: It is not clear what the 3 axes"),
        (0 * IMAGE[0], np.ones((64, 64), int), r"Image 0: it is constant \(every pixel is 0.0\)"),
        (np.nan * IMAGE[0], np.ones((64, 64), int), "Image 0: No pixel has a number"),
        (IMAGE[0], np.zeros((64, 64), int), "None of the 1 label images has an instance"),
        (IMAGE[0], np.full((64, 64), -3), "The labels hold the negative number -3"),
    ],
)
def test_what_cannot_be_trained_on(image: Any, labels: Any, match: str, small: Make) -> None:
    with pytest.raises(GrdError, match=match):
        drain(iter_train([da.from_array(image)], [da.from_array(labels)], small()))


def test_images_of_other_channels(small: Make) -> None:
    images = [da.zeros((3, 64, 64)), da.zeros((2, 64, 64))]
    with pytest.raises(ImageError, match=r"Image 1: .* has 2 channels; the model takes 3"):
        check_images(images, None, small(), "cyx")


def test_few_labels_are_found(small: Make) -> None:
    labels = np.zeros((3000, 3000), np.uint8)
    data = check_images(da.ones((3000, 3000)), da.from_array(labels), small(), None)
    with pytest.raises(LabelError, match="has an instance"):
        check_some_instances(data)
    labels[2500:2520, 100:120] = 1
    data = check_images(da.ones((3000, 3000)), da.from_array(labels), small(), None)
    check_some_instances(data)
    (window,) = data.samples().labels
    assert np.count_nonzero(window) == 400
    (held,) = data.for_validation().labels
    assert held.any()


def ome_zarr(path: Path, image: np.ndarray[Any, Any], labels: dict[str, np.ndarray[Any, Any]]) -> Path:
    parts = {"": image} | {f"labels/{name}": array for name, array in labels.items()}
    for part, array in parts.items():
        group = zarr.open_group(path / part, mode="a", zarr_format=3)
        group.create_array("0", data=array, chunks=(50, 50))
        datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0]}]}]
        scales = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": datasets}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": scales} | ({"image-label": {}} if part else {})
    listed = zarr.open_group(path / "labels", mode="a", zarr_format=3)
    listed.attrs["ome"] = {"version": "0.5", "labels": list(labels)}
    return path


def test_files_are_images_too(small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_grd.io.label_image.IN_MEMORY", 100)
    image, labels = nuclei_2d(np.random.default_rng(0), (128, 160))
    config = small(steps=2)
    expected = drain(iter_train([image], [labels], config))
    path = ome_zarr(tmp_path / "a.zarr", image, {"nuclei": labels.astype(np.uint32)})
    with pytest.warns(GrdWarning, match=r"The labels in a\.zarr are used as ground truth"):
        assert_same(drain(iter_train(path, None, config)), expected)
    assert_same(drain(iter_train([str(path)], [path / "labels" / "nuclei"], config)), expected)
    zarr.open_group(path / "labels" / "nuclei").attrs["napari_grd"] = {"model": "cells"}
    with (
        pytest.warns(GrdWarning, match=r"'nuclei' in a\.zarr were made by the model 'cells' and are not used"),
        pytest.raises(LabelError, match="Image 0 has no labels"),
    ):
        drain(iter_train(path, None, config))
    assert_same(drain(iter_train(path, path / "labels" / "nuclei", config)), expected)
    several = ome_zarr(tmp_path / "b.zarr", image, {"one": labels.astype(np.uint32), "two": labels.astype(np.uint32)})
    with pytest.raises(DataError, match=r"has 2 label images \(one, two\)"):
        drain(iter_train(several, None, config))
    none = ome_zarr(tmp_path / "c.zarr", image, {})
    with pytest.raises(LabelError, match="Image 0 has no labels"):
        drain(iter_train(none, None, config))
    with pytest.raises(DataError, match=r"There is no image file '.*nowhere\.zarr'"):
        drain(iter_train(tmp_path / "nowhere.zarr", None, config))
    with pytest.raises(LabelError, match=r"'a\.zarr': The labels have shape \(64, 63\)"):
        drain(iter_train([path], [np.ones((64, 63), int)], config))
