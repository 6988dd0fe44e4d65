"""Volumes in blocks: joined across all faces, resumable, and equal to the whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

import napari_grd.blockwise.grid
import napari_grd.inference.statistics
from napari_grd.api import segment
from napari_grd.blockwise.block_work import BlockWork
from napari_grd.blockwise.grid import block_grid
from napari_grd.blockwise.segment_zarr import iter_segment_zarr, segment_zarr
from napari_grd.config import NetworkConfig, PartitionConfig, SegmentConfig
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.io.ome_zarr import read_ome_zarr
from napari_grd.jobs import Progress
from napari_grd.metrics.scores import evaluate
from napari_grd.models.model import Model, ModelConfig
from napari_grd.models.registry import register, registered

SHAPE, SIDES = (50, 90, 100), (26, 48, 52)


class Waves(torch.nn.Module):
    """An embedding of the highest intensity of 3 x 3 x 3 voxels, and a logit that is high except in the dark."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.linspace(2, 40, out_channels - 1).reshape(1, -1, 1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        around = torch.nn.functional.max_pool3d(image[:, :1], 3, 1, 1)
        return torch.cat([torch.cos(self.frequencies * around), 40 * around - 4], dim=1)


@pytest.fixture
def model() -> Iterator[Model]:
    register("waves", ndim=3, stride=(1, 2, 2), halo=(1, 1, 1))(Waves)
    yield Model.create(
        ModelConfig(
            network=NetworkConfig(name="waves"),
            ndim=3,
            offsets=OFFSETS_3D,
            partition=PartitionConfig(foreground_threshold=0.5),
        )
    )
    del registered["waves"]


@pytest.fixture(scope="module")
def image() -> np.ndarray[Any, Any]:
    """Neurites through the whole volume in all directions, in the dark, with some noise."""
    rng = np.random.default_rng(0)
    grid = np.moveaxis(np.indices(SHAPE), 0, -1).reshape(-1, 3)
    nearest, closest = np.zeros(len(grid), int), np.full(len(grid), np.inf)
    for number in range(1, 15):
        point, direction = rng.uniform(0, SHAPE), rng.normal(size=3)
        away = grid - point
        away -= np.outer(away @ direction, direction) / (direction @ direction)
        distance = np.linalg.norm(away, axis=1)
        nearest[distance < closest] = number
        closest = np.minimum(closest, distance)
    labels = np.where(closest < 9, nearest, 0).reshape(SHAPE)
    levels = np.concatenate([[0], rng.permutation(np.linspace(0.25, 1, 14))])
    return (levels[labels] + 0.005 * rng.normal(size=SHAPE)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari_grd.blockwise.grid, "_SIDES_3D", SIDES)
    monkeypatch.setattr(napari_grd.blockwise.grid, "_CONTEXT_3D", 12)


def config(method: str = "mutex") -> SegmentConfig:
    partition = PartitionConfig.model_validate({"method": method, "fragments": "volume"})
    return SegmentConfig(
        runtime="torch",
        precision="f32",
        object_diameter=None,
        intensity_range=((0.0, 1.0),),
        link=False,
        partition=partition,
    )


def labels_of(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(zarr.open_array(path / "0", mode="r"))


@pytest.mark.parametrize("method", ["mutex", "agglomeration", "multicut"])
def test_blocks_give_the_labels_of_the_whole_volume(model: Model, image: Any, tmp_path: Path, method: str) -> None:
    whole = segment(model, image, config(method))
    path = segment_zarr(model, image, tmp_path / "labels.ome.zarr", config(method))
    labels = labels_of(path)
    assert 12 < whole.max() < 30
    scores = evaluate(reference=whole, labels=labels)
    assert scores.arand <= 0.005
    assert scores.ap50 == 1
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    # Nothing is cut at a face: where the whole has one object on both sides, so have the blocks.
    for axis, side in enumerate(SIDES):
        for at in range(side, SHAPE[axis], side):
            before, after = (labels.take(at - 1 + step, axis) for step in (0, 1))
            one = whole.take(at - 1, axis) == whole.take(at, axis)
            assert np.mean((before == after)[one & (before > 0)]) > 0.999
    [found] = read_ome_zarr(path)
    assert found.is_labels
    assert found.provenance["block"] == list(SIDES)


def test_a_stopped_job_goes_on(model: Model, image: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = labels_of(segment_zarr(model, image, tmp_path / "whole.ome.zarr", config()))
    path = tmp_path / "stopped.ome.zarr"
    job = iter_segment_zarr(model, image, path, config())
    for event in job:
        if isinstance(event, Progress) and event.stage == "Segmenting blocks" and event.done >= 3:
            break
    job.close()
    done = len(list((path / ".grd-work" / "blocks").glob("*.npz")))
    assert 3 <= done < 8
    called: list[int] = []
    work = BlockWork.__call__
    monkeypatch.setattr(BlockWork, "__call__", lambda self, number: (called.append(number), work(self, number))[1])
    segment_zarr(model, image, path, config())
    assert len(called) == 8 - done
    assert np.array_equal(labels_of(path), wanted)


def test_a_series_of_volumes_with_channels_and_other_axes(model: Model, image: Any, tmp_path: Path) -> None:
    """Every volume is segmented as it is alone; the axes of the labels are t, z, y, x."""
    series = np.stack([image, image[::-1]], axis=-1)[None]
    path = segment_zarr(model, series, tmp_path / "series.ome.zarr", config(), axes="czyxt")
    labels = labels_of(path)
    assert labels.shape == (2, *SHAPE)
    alone = labels_of(segment_zarr(model, image, tmp_path / "one.ome.zarr", config()))
    assert evaluate(reference=alone, labels=labels[0]).arand == 0
    assert not set(np.unique(labels[0][labels[0] > 0])) & set(np.unique(labels[1]))


def test_a_volume_that_fits_one_block(model: Model, image: Any, tmp_path: Path) -> None:
    small = image[:1, :15, :20]
    labels = labels_of(segment_zarr(model, small, tmp_path / "small.ome.zarr", config()))
    np.testing.assert_array_equal(labels, segment(model, small, config()))


@pytest.mark.parametrize(("diameter", "anisotropy"), [(15.0, None), (20.0, 1.5), (24.0, 0.7)])
def test_a_volume_is_rescaled_in_blocks_as_in_whole(
    model: Model, tmp_path: Path, diameter: float, anisotropy: float | None
) -> None:
    model.network.frequencies.zero_()  # separate objects: interpolated intensities have other embeddings
    z, y, x = np.indices((36, 64, 68))
    image = ((z % 18 - 9) ** 2 + (y % 16 - 8) ** 2 + (x % 17 - 8) ** 2 < 36).astype(np.float32)
    sized = Model(model.network, model.config.replace(object_diameter=20.0, anisotropy=1.0), model.card, model.pca)
    settings = config().replace(object_diameter=diameter, anisotropy=anisotropy)
    labels = labels_of(segment_zarr(sized, image, tmp_path / "a.ome.zarr", settings))
    whole = segment(sized, image, settings)
    assert whole.max() == 2 * 4 * 4
    assert evaluate(reference=whole, labels=labels).arand < 0.005
    np.testing.assert_array_equal(np.unique(labels), np.unique(whole))


def test_the_grid_of_a_volume() -> None:
    grid = block_grid((2,), SHAPE, SHAPE, halo=(3, 10, 10), stride=(1, 4, 4), spacing=3)
    assert len(grid) == 2 * 2 * 2 * 2
    covered = np.zeros((2, *SHAPE), int)
    for number in range(len(grid)):
        plane, place = grid.place(number)
        covered[(*plane, *grid.core(number))] += 1
        block = grid.block(number)
        for inside, seen, step in zip(block.pixels, block.seen, (3, 12, 12), strict=True):
            assert inside.start % step == 0
            assert seen.start % (1 if step == 3 else 4) == 0
        for side, neighbor in grid.neighbors(number).items():
            axis = {"front": 0, "back": 0, "above": 1, "below": 1, "left": 2, "right": 2}[side]
            moved = -1 if side in ("front", "above", "left") else 1
            other, there = grid.place(neighbor)
            assert other == plane
            assert np.subtract(there, place).tolist() == [moved * (axis == along) for along in range(3)]
    assert (covered == 1).all()
    assert grid.describe(8) == "block 8 (volume 1, slices 0 to 26, rows 0 to 48, columns 0 to 52)"


def test_statistics_of_a_large_volume_come_from_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari_grd.inference.statistics, "_READ", 2**15)
    monkeypatch.setattr(napari_grd.inference.statistics, "_SIDE_3D", 8)
    boxes = napari_grd.inference.statistics.sample_boxes((5, 100, 100))
    assert len(boxes) == 16
    assert {(box[0].start, box[0].stop) for box in boxes} == {(0, 5)}  # type: ignore[misc]
    assert max(box[1].stop for box in boxes) == 100
