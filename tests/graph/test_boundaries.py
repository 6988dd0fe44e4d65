"""Boundary maps."""

import numpy as np

from napari_grd.graph.affinities import affinities_from_labels
from napari_grd.graph.boundaries import boundary_map, weakest_affinity, widen_borders
from napari_grd.graph.offsets import OFFSETS_2D, OFFSETS_3D


def test_the_rim_is_no_boundary() -> None:
    affinities = np.zeros((10, 30, 30), np.float32)
    weakest = weakest_affinity(affinities[:2], OFFSETS_2D[:2])
    assert weakest[0, 0] == 1
    assert not weakest[1:].any()
    assert not weakest[:, 1:].any()


def test_a_boundary_runs_between_two_instances() -> None:
    import torch

    labels = torch.ones(1, 6, 8, dtype=torch.int64)
    labels[..., 5:] = 2
    affinities = affinities_from_labels(labels, OFFSETS_2D)[0].numpy()
    boundary = boundary_map(affinities, OFFSETS_2D)
    np.testing.assert_array_equal(boundary, np.broadcast_to(np.arange(8) == 5, (6, 8)))


def test_the_nearest_in_three_dimensions_and_opposite_vectors() -> None:
    affinities = np.full((len(OFFSETS_3D), 3, 4, 5), -1, np.float32)
    affinities[3:] = 1
    boundary = boundary_map(affinities, OFFSETS_3D)
    assert boundary[0, 0, 0] == 0
    assert (boundary[1:] == 1).all()


def test_borders_are_widened_in_slices_only() -> None:
    labels = np.ones((3, 8, 8), np.uint16)
    labels[1] = 2
    np.testing.assert_array_equal(widen_borders(labels), labels)
    labels[:, :, 4:] = 3
    widened = widen_borders(labels)
    assert widened.dtype == np.uint16
    assert not widened[:, :, 3:5].any()
    np.testing.assert_array_equal(widened[:, :, [0, 1, 2, 5, 6, 7]], labels[:, :, [0, 1, 2, 5, 6, 7]])


def test_background_and_large_numbers_do_not_widen_a_border() -> None:
    labels = np.zeros((5, 6), np.int64)
    labels[:, :2], labels[:, 3:] = 2**62, 2**62 + 1  # equal as floats
    np.testing.assert_array_equal(widen_borders(labels), labels)
    labels[:, 2] = 2**62
    assert not widen_borders(labels)[:, 2:4].any()
    assert not widen_borders(np.zeros((1, 1), np.uint8)).any()
