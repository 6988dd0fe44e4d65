"""Regions of planes to learn from."""

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes

from napari_grd._napari.distill.pieces import MOST, boxes, hold_out, labels_fit, pieces_of
from napari_grd._napari.source import Channel, ImageSource
from napari_grd.errors import ImageError, LabelError


def test_a_plane_is_one_piece_and_a_quarter_of_it_is_held_out() -> None:
    pieces = pieces_of(ImageSource(Image(np.zeros((200, 400)))), patch=64)
    assert [piece.shape for piece in pieces] == [(200, 400)]
    kept, held = hold_out(pieces, patch=64)
    assert [piece.shape for piece in (*kept, *held)] == [(200, 300), (200, 100)]
    assert held[0].region == (slice(0, 200), slice(300, 400))


def test_of_a_small_plane_nothing_is_held_out() -> None:
    pieces = pieces_of(ImageSource(Image(np.zeros((128, 140)))), patch=128)
    assert hold_out(pieces, patch=128) == (pieces, [])


def test_long_series_contribute_planes_evenly() -> None:
    source = ImageSource(Image(np.zeros((20, 10, 64, 64), np.uint8)))
    pieces = pieces_of(source, patch=64)
    assert len(pieces) == MOST
    places = [t * 10 + z for t, z in (piece.plane for piece in pieces)]
    assert set(np.diff(places)) <= {8, 9}
    assert places[0] < 9
    assert places[-1] >= 191
    kept, held = hold_out(pieces, patch=64)
    assert (len(kept), len(held)) == (19, 5)


def test_large_planes_are_seen_through_windows() -> None:
    source = ImageSource(Image(np.zeros((5000, 3000), np.uint8)))
    pieces = pieces_of(source, patch=128)
    assert {piece.shape for piece in pieces} == {(1024, 1024)}
    assert len(pieces) == 8


def test_a_region_too_small_is_named_with_its_size() -> None:
    source = ImageSource(Image(np.zeros((256, 256)), name="cells"))
    with pytest.raises(ImageError, match=r"'cells' is 40 x 50 pixels, but a patch has 128.*larger region"):
        pieces_of(source, None, [(slice(0, 40), slice(0, 50))], patch=128)


def test_shapes_become_boxes_in_pixels_whatever_the_scales() -> None:
    image = Image(np.zeros((3, 100, 200)), scale=(1, 0.5, 0.5), translate=(0, 10, 0))
    corners = np.array([[15.0, 20.0], [15.0, 30.0], [25.0, 30.0], [25.0, 20.0]])  # in world units
    shapes = Shapes([corners / 2], scale=(2, 2), shape_type="polygon")
    assert boxes(shapes, ImageSource(image)) == [(slice(10, 30), slice(40, 60))]


def test_a_shape_beside_the_image_and_an_empty_layer_are_refused() -> None:
    source = ImageSource(Image(np.zeros((100, 100))))
    outside = Shapes([np.array([[200.0, 200.0], [300.0, 300.0]])], shape_type="rectangle", name="roi")
    with pytest.raises(ImageError, match=r"Shape 1 of 'roi' is outside"):
        boxes(outside, source)
    with pytest.raises(ImageError, match="has no areas"):
        boxes(Shapes(name="roi"), source)


def test_labels_are_read_where_the_image_is() -> None:
    pixels = np.arange(2 * 3 * 64 * 80, dtype=np.uint16).reshape(2, 3, 64, 80)
    image = Image(pixels, axis_labels=("t", "channel", "y", "x"))
    truth = Labels(pixels[:, 0].astype(np.int32))
    source = ImageSource(image, (Channel(image, 0, "0"),))
    pieces = pieces_of(source, truth, [(slice(0, 40), slice(8, 60))], patch=32)
    assert [piece.plane for piece in pieces] == [(0,), (1,)]
    for piece in pieces:
        found, labels = piece.read()
        assert found.shape == (1, 40, 52)
        np.testing.assert_array_equal(found[0], labels)


def test_labels_of_another_shape_are_refused() -> None:
    source = ImageSource(Image(np.zeros((64, 64))))
    wrong = Labels(np.zeros((32, 64), int), name="other")
    assert not labels_fit(source, wrong)
    with pytest.raises(LabelError, match=r"'other' have shape \(32, 64\)"):
        pieces_of(source, wrong, patch=32)
