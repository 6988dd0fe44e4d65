"""Where pieces of planes lie, and what is put there."""

from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_grd._napari.inspect.image_region import ImageRegion
from napari_grd._napari.source import ImageSource, channel_choices
from napari_grd.errors import ImageError, LabelError

RNG = np.random.default_rng(0)
REGION = (slice(2, 6), slice(3, 10))


@pytest.mark.parametrize("displayed", [(1, 2), (2, 1), (0, 2), (2, 0)])
def test_a_picture_lies_where_it_was_taken_whatever_axes_are_shown(displayed: tuple[int, int]) -> None:
    data = RNG.random((12, 14, 16))
    layer = Image(data, scale=(3, 2, 1), translate=(5, 6, 7))
    source = ImageSource(layer, displayed=displayed)
    frame = ImageRegion(source, (4,), REGION)
    taken = source.read(0, frame.plane, frame.region)[0]
    again = Image(frame.lift(taken), **frame.options({}))
    assert again.ndim == 3
    for point in np.argwhere(again.data > -1)[::5]:
        place = np.round(layer.world_to_data(again.data_to_world(point))).astype(int)
        assert data[tuple(place)] == again.data[tuple(point)]
    corner = frame.lift_points(np.array([[1.0, 2.0]]))[0].astype(int)
    assert again.data[tuple(corner)] == taken[1, 2]


def test_axes_in_front_and_colors_behind_stay_there() -> None:
    frame = ImageRegion(ImageSource(Image(RNG.random((5, 12, 14)))), (4,), REGION)
    assert frame.lift(np.zeros((10, 4, 7)), leading=1).shape == (10, 1, 4, 7)
    assert frame.lift(np.zeros((4, 7, 3))).shape == (1, 4, 7, 3)


def test_a_turned_image_turns_what_is_made_of_it() -> None:
    layer = Image(RNG.random((20, 30)), rotate=30, scale=(2, 2), translate=(5, 5))
    frame = ImageRegion(ImageSource(layer), (), REGION)
    made = Image(np.zeros(frame.shape), **frame.options({}))
    for pixel in ((0, 0), (3, 6)):
        expected = layer.data_to_world(np.add(pixel, (2, 3)))
        np.testing.assert_allclose(made.data_to_world(pixel), expected)
        assert frame.pixel(expected) == pixel


def test_channels_are_no_axis_of_what_is_made() -> None:
    layer = Image(RNG.random((4, 2, 12, 14)), axis_labels=("t", "c", "y", "x"), scale=(9, 1, 2, 2))
    frame = ImageRegion(ImageSource(layer, (channel_choices(None, layer)[1],)), (3,), REGION)
    options = frame.options({})
    assert options["axis_labels"] == ("t", "y", "x")
    np.testing.assert_allclose(options["translate"], (27, 4, 6))
    assert frame.lift(np.zeros(frame.shape)).shape == (1, 4, 7)


def test_every_so_many_pixels_lie_on_those_they_were_taken_from() -> None:
    layer = Image(RNG.random((20, 30)), scale=(2, 3))
    options = ImageRegion(ImageSource(layer), (), REGION).options({}, step=2)
    np.testing.assert_allclose(options["scale"], (4, 6))
    np.testing.assert_allclose(options["translate"], (4, 9))


def test_a_pixel_is_found_only_on_its_plane() -> None:
    layer = Image(RNG.random((5, 12, 14)), scale=(3, 1, 1))
    frame = ImageRegion(ImageSource(layer), (2,), REGION)
    assert frame.pixel((6, 2.4, 3)) == (0, 0)
    assert frame.pixel((9, 2, 3)) is None
    assert frame.pixel((6, 1, 3)) is None
    assert frame.pixel((0, 6, 5, 9)) == (3, 6)  # a viewer with one more axis


@pytest.mark.parametrize(
    ("scale", "translate", "step"), [((1, 1), (0, 0), 1), ((2, 2), (0.5, 0.5), 2), ((1, 1), (4, 5), 1)]
)
def test_labels_are_taken_by_their_place_in_the_world(scale: Any, translate: Any, step: int) -> None:
    everywhere = np.kron(RNG.integers(1, 99, (6, 7)), np.ones((2, 2), int))
    start = (0, 0) if step == 2 else translate
    layer = Labels(everywhere[start[0] :: step, start[1] :: step], scale=scale, translate=translate)
    frame = ImageRegion(ImageSource(Image(RNG.random((12, 14)))), (), REGION)
    expected = everywhere[REGION].copy()
    expected[: max(0, start[0] - 2)] = 0
    expected[:, : max(0, start[1] - 3)] = 0
    np.testing.assert_array_equal(frame.labels(layer), expected)


def test_labels_of_a_stack_are_those_of_the_plane() -> None:
    labels = RNG.integers(0, 9, (5, 12, 14))
    frame = ImageRegion(ImageSource(Image(RNG.random((5, 12, 14)), scale=(3, 1, 1))), (2,), REGION)
    np.testing.assert_array_equal(frame.labels(Labels(labels, scale=(3, 1, 1))), labels[2][REGION])


@pytest.mark.parametrize(
    ("options", "problem"), [({"rotate": 20}, "rotated"), ({"translate": (50, 50)}, "do not cover")]
)
def test_labels_that_do_not_fit(options: Any, problem: str) -> None:
    frame = ImageRegion(ImageSource(Image(RNG.random((12, 14)))), (), REGION)
    with pytest.raises(LabelError, match=problem):
        frame.labels(Labels(np.ones((12, 14), int), **options))


def test_of_a_huge_plane_the_middle_of_what_is_seen_is_taken(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros((300, 400), np.uint8))
    assert ImageRegion.of_view(viewer, layer, whole=True).is_whole
    frame = ImageRegion.of_view(viewer, layer, whole=True, limit=10_000)
    assert frame.shape == (100, 100)
    assert frame.region[0] == slice(100, 200)
    viewer.scene.camera.center = (-5000, -5000)
    with pytest.raises(ImageError, match="is visible"):
        ImageRegion.of_view(viewer, layer, whole=False)
    viewer.dims.ndisplay = 3
    with pytest.raises(ImageError, match="2D"):
        ImageRegion.of_view(viewer, layer, whole=True)


def test_a_volume_has_its_planes_in_front(viewer: Any) -> None:
    data = RNG.integers(0, 9, (2, 20, 12, 14))
    layer = viewer.add_image(data, scale=(1, 2, 0.5, 0.5), axis_labels=("t", "z", "y", "x"))
    viewer.dims.current_step = (1, 10, 0, 0)
    whole = ImageRegion.of_volume(viewer, layer, whole=True)
    assert whole.is_whole
    assert (whole.plane, whole.shape) == ((1,), (20, 12, 14))
    frame = ImageRegion.of_volume(viewer, layer, whole=True, limit=9 * 12 * 14)
    assert frame.region[0] == slice(6, 15), "the planes around the one that is shown"
    assert not frame.is_whole
    taken = data[1][frame.region]
    again = Image(frame.lift(taken), **frame.options({}))
    assert again.data.shape == (1, *frame.shape)
    world = again.data_to_world((0, 2, 3, 4))
    assert data[tuple(np.round(layer.world_to_data(world)).astype(int))] == again.data[0, 2, 3, 4]
    assert frame.pixel(world) == (2, 3, 4)
    np.testing.assert_array_equal(frame.lift_points(np.array([[2.0, 3.0, 4.0]])), [[0, 2, 3, 4]])
    np.testing.assert_array_equal(frame.labels(Labels(data, scale=layer.scale)), taken)
    turned = Labels(data.transpose(0, 1, 3, 2).copy(), affine=_exchanged(layer.scale))
    np.testing.assert_array_equal(frame.labels(turned), taken)
    viewer.dims.ndisplay = 3
    assert ImageRegion.of_volume(viewer, layer, whole=False).shape == (9, 12, 14)
    plane = viewer.add_image(data[0, 0])
    with pytest.raises(ImageError, match="takes volumes"):
        ImageRegion.of_volume(viewer, plane, whole=True)


def _exchanged(scale: Any) -> np.ndarray:
    """To the world from data whose last two axes are exchanged."""
    affine = np.diag([*scale, 1.0])
    affine[[2, 3]] = affine[[3, 2]]
    return affine
