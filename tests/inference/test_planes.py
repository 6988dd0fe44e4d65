"""Stacks, series and large planes: linked numbers, in blocks that agree with the whole."""

import tracemalloc
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from scipy import ndimage

import napari_grd.api as grd
from napari_grd.api import segment
from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ImageError, OutOfMemory
from napari_grd.hub import builtin_paths, load_model
from napari_grd.inference import blocks as blocks_module
from napari_grd.inference import memory
from napari_grd.inference.planes import iter_segment_planes
from napari_grd.inference.segment import iter_segment, predict
from napari_grd.jobs import Notice, Progress, drain

F32 = SegmentConfig(runtime="torch", precision="f32")


@dataclass
class Planes:
    """A (C, *planes, H, W) array as a PlaneSource."""

    array: Any
    key: Any = "array"
    levels: int = 1
    reads: list[Any] = field(default_factory=list)

    @property
    def plane_shape(self):
        return self.array.shape[1:-2]

    def shape(self, level):
        return self.array.shape[-2:]

    def downsample(self, level):
        return 1.0

    def read(self, level, plane, region):
        self.reads.append((plane, region))
        return np.asarray(self.array[(slice(None), *plane, *region)])


@pytest.fixture(scope="module")
def nuclei():
    return load_model(builtin_paths()["nuclei"])


@pytest.fixture(scope="module")
def picture():
    return nuclei_2d(np.random.default_rng(0), (200, 300))[0]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few hundred pixels, so that planes of test size have several."""
    monkeypatch.setattr(blocks_module, "_WHOLE", 1)
    monkeypatch.setattr(blocks_module, "_SIDE", 2 * (80 + 64) + 96)


def objects(labels):
    return set(np.unique(labels).tolist()) - {0}


def test_still_objects_keep_their_numbers_through_every_axis(picture, nuclei):
    plane = segment(nuclei, picture, F32)
    assert plane.max() > 10
    series = np.broadcast_to(picture, (2, 2, 1, *picture.shape))  # t, z, c
    labels = segment(nuclei, series, F32, axes="tzcyx")
    assert labels.shape == (2, 2, *picture.shape)
    for index in np.ndindex(2, 2):
        np.testing.assert_array_equal(labels[index], plane)


def test_moving_objects_keep_their_numbers_unless_linking_is_off(picture, nuclei):
    stack = np.stack([picture, np.roll(picture, 2, axis=1), picture])
    labels = segment(nuclei, stack, F32, axes="zyx")
    np.testing.assert_array_equal(labels[0], labels[2])
    assert objects(labels) == set(range(1, labels.max() + 1))
    apart = segment(nuclei, stack, F32.replace(link=False), axes="zyx")
    assert not objects(apart[0]) & objects(apart[1])
    np.testing.assert_array_equal(apart > 0, labels > 0)


def test_labels_keep_the_order_of_the_axes_and_drop_channels(picture, nuclei):
    volume = np.stack([picture[:96, :120], np.roll(picture, 40, axis=0)[:96, :120]])
    expected = segment(nuclei, volume, F32, axes="zyx")
    got = segment(nuclei, np.moveaxis(volume, 0, 2)[:, None], F32, axes="ycxz")
    assert got.shape == (96, 120, 2)
    np.testing.assert_array_equal(got, np.moveaxis(expected, 0, -1))
    assert segment(nuclei, volume[:1, None, None], F32, axes="ztcyx").shape == (1, 1, 96, 120)
    prediction = predict(nuclei, volume[None, :, None], F32, axes="tzcyx")
    assert prediction.embedding.shape == (16, 1, 2, 96, 120)
    assert prediction.pixels.shape == (1, 1, 2, 96, 120)
    assert len(prediction.statistics) == 2
    assert prediction.affinities().shape[1:] == (1, 2, 96, 120)
    np.testing.assert_array_equal(grd.partition(prediction)[0] > 0, expected > 0)


def test_unnamed_axes_are_an_error_that_says_what_to_pass(nuclei):
    with pytest.raises(ImageError, match="tzcyx"):
        segment(nuclei, np.zeros((2, 2, 20, 30)), F32)


@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_of_a_lazy_stack_one_plane_is_read_at_a_time(kind, picture, nuclei, tmp_path):
    volume = np.stack([picture[:96, :120]] * 3)
    largest = []

    def load(block):
        largest.append(block.shape)
        return block

    lazy = da.from_array(volume, chunks=(1, 96, 120)).map_blocks(load, dtype=volume.dtype, meta=volume[:0])
    if kind == "zarr":
        lazy = zarr.create_array(tmp_path / "a.zarr", data=volume, chunks=(1, 48, 60))
    labels = segment(nuclei, lazy, F32, axes="zyx")
    np.testing.assert_array_equal(labels, segment(nuclei, volume, F32, axes="zyx"))
    assert set(largest) == {(1, 96, 120)} or kind == "zarr"


@pytest.mark.parametrize("diameter", [None, 13.0, 40.0])
def test_blocks_agree_with_the_whole_plane(diameter, picture, nuclei, monkeypatch):
    config = F32.replace(object_diameter=diameter)
    image = np.pad(picture, ((0, 31), (0, 57)), mode="reflect")
    whole = segment(nuclei, image, config)
    monkeypatch.setattr(blocks_module, "_WHOLE", 1)
    monkeypatch.setattr(blocks_module, "_SIDE", 2 * (80 + 64) + 96)
    source = Planes(image[None])
    labels, _ = drain(iter_segment_planes(source, nuclei, config))
    assert len(source.reads) > 3  # one of them measures intensities
    assert objects(labels) == set(range(1, labels.max() + 1))
    scores = grd.evaluate(reference=whole, labels=labels, min_size=50)
    assert scores.sbd > 0.92  # pixels on the border of small objects change sides with what is around them
    assert ((labels > 0) == (whole > 0)).mean() > 0.999


def test_an_object_larger_than_a_block_is_one(small_blocks, nuclei):
    image = np.zeros((400, 700), np.uint16)
    image[150:250, 40:660] = 1000
    image = ndimage.gaussian_filter(image, 2) + np.random.default_rng(0).integers(0, 20, image.shape, np.uint16)
    config = F32.replace(object_diameter=120, partition=PartitionConfig(min_size=50))
    labels = segment(nuclei, image, config)
    ids, sizes = np.unique(labels[160:240, 60:640], return_counts=True)
    assert sizes[ids > 0].max() > 0.5 * 80 * 580


def test_of_a_region_only_objects_that_lie_in_it(picture, nuclei):
    region = np.zeros(picture.shape, bool)
    region[50:140, 60:200] = True
    labels, _ = drain(iter_segment_planes(Planes(picture[None]), nuclei, F32, region=region))
    ids, sizes = np.unique(labels, return_counts=True)
    inside = {label: (labels[region] == label).sum() for label in ids[1:]}
    assert len(ids) > 5
    assert all(2 * inside[label] >= size for label, size in zip(ids[1:], sizes[1:], strict=True))
    with pytest.raises(ImageError, match="no pixel"):
        drain(iter_segment_planes(Planes(picture[None]), nuclei, F32, region=np.zeros(picture.shape, bool)))


def test_the_known_range_holds_for_every_plane(picture, nuclei):
    stack = np.stack([picture, picture // 3])
    bright = predict(nuclei, picture, F32.as_known()).statistics[0].range
    alike = segment(nuclei, stack, F32.as_known(), axes="zyx", intensity_range=bright)
    own = segment(nuclei, stack, F32.as_known(), axes="zyx")
    np.testing.assert_array_equal(own[0], alike[0])
    assert (alike[1] > 0).sum() < (own[1] > 0).sum()


def test_what_is_said_of_whole_planes_is_there_where_it_is_wanted(small_blocks, picture, nuclei):
    stack = np.stack([picture] * 2)
    seen = {}
    job = iter_segment(nuclei, stack, F32.as_known(), axes="tyx", on_plane=seen.__setitem__, wanted=(1,).__eq__)
    drain(job)
    assert list(seen) == [(1,)]
    assert seen[(1,)].embedding.shape[1:] == picture.shape


def test_much_memory_is_told_and_too_much_refused(picture, nuclei, monkeypatch):
    events = []
    monkeypatch.setattr(memory, "available_memory", lambda: 2**40)
    plain = F32.as_known()
    drain(iter_segment(nuclei, picture, plain), events.append)
    assert not [event for event in events if isinstance(event, Notice)]
    need = 4 * picture.size
    monkeypatch.setattr(memory, "segment_bytes", lambda *_: (need, 0))
    monkeypatch.setattr(memory, "available_memory", lambda: int(1.5 * need))
    with pytest.warns(grd.GrdWarning, match="memory that are available"):
        drain(iter_segment(nuclei, picture, plain), events.append)
    [notice] = [event for event in events if isinstance(event, Notice)]
    assert "200 x 300" in notice.message
    monkeypatch.setattr(memory, "available_memory", lambda: need - 1)
    with pytest.raises(OutOfMemory, match=r"too little memory for a plane of 200 x 300 pixels \(labels"):
        segment(nuclei, picture, F32)


def test_the_system_tells_its_memory():
    assert 2**20 < memory.available_memory() < 2**50


class Blind:
    """A network that sees nothing anywhere."""

    name, precision = "blind", "f32"

    def __call__(self, image, take=None):
        output = np.zeros((*image.shape[1:], 17), np.float32)
        output[..., 16] = -9
        return output if take is None else take(output)


def test_memory_does_not_grow_with_the_plane(nuclei, monkeypatch):
    monkeypatch.setattr("napari_grd.inference.task.runtime_for", lambda *_, **__: Blind())
    monkeypatch.setattr(blocks_module, "_WHOLE", 1)
    monkeypatch.setattr(blocks_module, "_SIDE", 512)
    peaks = []
    for side in (512, 1024):
        image = (np.indices((side, side)).sum(axis=0) // 12 % 2 * 200).astype(np.uint8)
        tracemalloc.start()
        labels = segment(nuclei, image, F32.replace(tile=256))
        peaks.append(tracemalloc.get_traced_memory()[1] - labels.nbytes)
        tracemalloc.stop()
    # The embedding alone of the larger plane would take 64 MiB.
    assert peaks[1] < peaks[0] + 24 * 2**20
    assert peaks[1] < 64 * 2**20


def test_progress_counts_blocks(small_blocks, picture, nuclei):
    events = []
    drain(iter_segment(nuclei, picture, F32), events.append)
    steps = [event for event in events if isinstance(event, Progress) and event.stage == "Segmenting"]
    assert steps[-1].done == steps[-1].total
    assert all(before.done <= after.done for before, after in pairwise(steps))
