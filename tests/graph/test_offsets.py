import pytest

from napari_grd.graph.offsets import OFFSETS_2D, OFFSETS_3D, default_offsets, offsets_2d


def test_default_offsets_of_images_go_up_and_left_at_five_distances():
    assert tuple(o for k in (1, 3, 5, 9, 27) for o in ((-k, 0), (0, -k))) == OFFSETS_2D


def test_eight_neighbors_add_the_upper_diagonals():
    expected = ((-1, 0), (0, -1), (-1, -1), (-1, 1), (-3, 0), (0, -3), (-3, -3), (-3, 3))
    assert offsets_2d((1, 3), neighbors=8) == expected


def test_default_offsets_of_volumes_start_with_the_nearest_neighbors():
    assert OFFSETS_3D[:3] == ((-1, 0, 0), (0, -1, 0), (0, 0, -1))
    assert [min(o) for o in OFFSETS_3D] == [-1, -1, -1, -2, -3, -3, -3, -9, -9, -4, -27, -27]


def test_offsets_are_chosen_by_the_number_of_axes():
    assert default_offsets(2) is OFFSETS_2D
    assert default_offsets(3) is OFFSETS_3D
    with pytest.raises(ValueError, match="2 or 3, got 4"):
        default_offsets(4)
    with pytest.raises(ValueError, match="4 or 8, got 6"):
        offsets_2d(neighbors=6)
