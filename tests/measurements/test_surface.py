"""Surface, sphericity and extents of volumes with voxels of any sides, alone and in series."""

import numpy as np
import pytest

import napari_grd.measurements.parts as parts
from napari_grd.measurements.objects import measure
from napari_grd.measurements.surface import surface_area


def ellipsoid(half_axes, scale, offset=0.3):
    counts = [int(np.ceil(half / step)) + 2 for half, step in zip(half_axes, scale, strict=True)]
    grids = np.meshgrid(
        *[(np.arange(-n, n + 1) + offset) * step for n, step in zip(counts, scale, strict=True)], indexing="ij"
    )
    return sum((grid / half) ** 2 for grid, half in zip(grids, half_axes, strict=True)) <= 1


def area_of_ellipsoid(a, b, c):
    """By numerical integration."""
    u, v = np.meshgrid((np.arange(500) + 0.5) * np.pi / 500, (np.arange(500) + 0.5) * 2 * np.pi / 500)
    parts = (b * c * np.sin(u) * np.cos(v)) ** 2 + (a * c * np.sin(u) * np.sin(v)) ** 2 + (a * b * np.cos(u)) ** 2
    return float((np.sqrt(parts) * np.sin(u)).sum() * np.pi / 500 * 2 * np.pi / 500)


@pytest.mark.parametrize("scale", [(1, 1, 1), (2, 1, 1), (4, 1, 1), (0.5, 0.2, 0.25)])
@pytest.mark.parametrize("half_axes", [(10, 10, 10), (8, 9, 14)])
def test_the_surface_of_an_ellipsoid_does_not_depend_on_the_voxels(half_axes, scale):
    half = tuple(axis * min(scale) for axis in half_axes)
    expected = area_of_ellipsoid(*half)
    assert surface_area(ellipsoid(half, scale), scale) == pytest.approx(expected, rel=0.04)


def test_boxes_sheets_and_single_voxels():
    box = np.ones((10, 20, 30), bool)
    assert surface_area(box, (2, 1, 1)) == pytest.approx(2 * (20 * 20 + 20 * 30 + 20 * 30), rel=0.1)
    sheet = np.ones((1, 40, 40), bool)
    assert surface_area(sheet, (1, 1, 1)) == pytest.approx(2 * (40 * 40 + 2 * 40), rel=0.1)
    assert 0 < surface_area(np.ones((1, 1, 1), bool), (3, 1, 1)) < 14
    hollow = ellipsoid((10, 10, 10), (1, 1, 1))
    hollow[ellipsoid((10, 10, 10), (1, 1, 1)) & (np.abs(np.indices(hollow.shape) - 12).max(axis=0) < 4)] = False
    assert surface_area(hollow, (1, 1, 1)) > 1.15 * surface_area(ellipsoid((10, 10, 10), (1, 1, 1)), (1, 1, 1))


def test_a_series_of_volumes_has_a_row_for_each_object_and_time_with_units(monkeypatch):
    scale = (1.0, 0.5, 0.25, 0.25)
    ball = ellipsoid((2, 2, 2), scale[1:])
    labels = np.zeros((2, *(size + 4 for size in ball.shape)), np.uint16)
    labels[(0, *(slice(2, 2 + size) for size in ball.shape))][ball] = 7
    labels[1, 1:5, 2:10, 3:23] = 9
    known = {"axes": "tzyx", "scale": scale, "unit": "µm"}
    table = measure(labels, **known)
    assert table.columns["label"].tolist() == [7, 9]
    assert table.columns["t"].tolist() == [0, 1]
    np.testing.assert_allclose(table.columns["area"], [4 / 3 * np.pi * 8, 2 * 2 * 5], rtol=0.03)
    np.testing.assert_allclose(table.columns["surface_area"], [4 * np.pi * 4, 2 * (4 + 10 + 10)], rtol=0.15)
    ball_like, brick = table.columns["sphericity"]
    assert 0.96 < ball_like <= 1
    assert brick == pytest.approx(np.pi ** (1 / 3) * (6 * 20) ** (2 / 3) / 48, rel=0.16)
    assert [table.columns[f"extent-{axis}"][1] for axis in range(3)] == [2.0, 2.0, 5.0]
    assert [table.units[key] for key in ("area", "surface_area", "sphericity", "extent-0")] == ["µm³", "µm²", "", "µm"]
    monkeypatch.setattr(parts, "_LARGE", 100)
    monkeypatch.setattr(parts, "_SIDE", {2: 64, 3: 8})
    piecewise = measure(labels, **known)
    for key, column in table.columns.items():
        np.testing.assert_allclose(piecewise.columns[key], column, rtol=1e-9, err_msg=key)
    flat = measure(labels[0], axes="zyx", ndim=2)
    assert "surface_area" not in flat.columns
    assert "perimeter" in flat.columns
