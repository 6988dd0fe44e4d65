"""Pixels as runs, runs as polygons, and back."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_grd.corrections.region import Region, fill, polygons
from napari_grd.errors import CorrectionError

SHAPE = (24, 32)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_a_set_of_pixels_is_one_region_however_given() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:5, 4:9] = 1
    pixels = np.random.default_rng(0).permutation(np.argwhere(mask))
    region = Region.from_mask(mask)
    assert region == Region.from_pixels(pixels) == Region([(4, 4, 5), (3, 6, 3), (3, 4, 3)])
    assert hash(region) == hash(Region.from_pixels(pixels))
    assert region.area == 10
    assert region.box == (3, 4, 5, 9)
    assert np.array_equal(region.mask(SHAPE), mask)
    assert (3, 8) in region
    assert (3, 9) not in region


def test_pixels_and_back(regions: st.SearchStrategy[Region]) -> None:
    @quick
    @given(regions)
    def check(region: Region) -> None:
        assert np.array_equal(region.pixels, np.argwhere(region.mask(SHAPE)))
        assert Region.from_pixels(region.pixels) == region

    check()


def test_paint_leaves_out_what_is_outside() -> None:
    plane = np.zeros((2, 3), int)
    Region([(1, 2, 5), (7, 0, 1), (0, 8, 2)]).paint(plane, 9)
    assert plane.tolist() == [[0, 0, 0], [0, 0, 9]]


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([], "no pixels"),
        ([(1, 2)], "not all three integers"),
        ([(1, 2, 3), (1, 2)], "not all three integers"),
        ([(1.5, 2, 3)], "not all three integers"),
        ([(1, 2, 10**30)], "not all three integers"),
        ([(-1, 2, 3)], r"\(-1, 2, 3\)"),
        ([(1, 2, 0)], r"\(1, 2, 0\)"),
        ([(1, 2, 1 << 40)], str(1 << 40)),
        ([(1, 2, (1 << 64) - 1)], "not all three integers"),
    ],
)
def test_bad_runs_are_named(runs: list, words: str) -> None:
    with pytest.raises(CorrectionError, match=words):
        Region(runs)


def test_overlap_is_of_pixels_not_boxes() -> None:
    ell = Region([(0, 0, 1), (1, 0, 3)])
    assert not ell.overlaps(Region([(0, 1, 2)]))
    assert ell.overlaps(Region([(0, 1, 2), (1, 2, 1)]))
    assert not ell.overlaps(Region([(5, 5, 1)]))


def test_overlaps_agrees_with_masks(regions: st.SearchStrategy[Region]) -> None:
    @quick
    @given(regions, regions)
    def check(a: Region, b: Region) -> None:
        assert a.overlaps(b) == b.overlaps(a) == bool((a.mask(SHAPE) & b.mask(SHAPE)).any())

    check()


def test_polygons_and_back_is_exact(regions: st.SearchStrategy[Region]) -> None:
    @quick
    @given(regions)
    def check(region: Region) -> None:
        runs = [run for polygon in polygons(region) for run in fill([np.array(ring) for ring in polygon], SHAPE)]
        assert Region(runs) == region

    check()


def test_rings_are_as_geojson_wants_them(regions: st.SearchStrategy[Region]) -> None:
    @quick
    @given(regions)
    def check(region: Region) -> None:
        total = 0.0
        for outer, *holes in polygons(region):
            for ring, sign in [(outer, 1), *((hole, -1) for hole in holes)]:
                corners = np.array(ring)
                assert (corners[0] == corners[-1]).all()
                assert len(np.unique(corners[:-1], axis=0)) == len(corners) - 1, "a ring passes a point twice"
                x, y = corners.T
                area = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2
                assert area * sign > 0
                total += area
        assert total == region.area

    check()


def test_a_slanted_polygon_holds_the_pixels_whose_centers_it_holds() -> None:
    triangle = np.array([[1.2, 0.3], [9.7, 2.1], [3.4, 8.8]])
    y, x = np.mgrid[:12, :12] + 0.5
    inside = np.ones((12, 12), bool)
    for (x0, y0), (x1, y1) in zip(triangle, np.roll(triangle, -1, axis=0), strict=True):
        inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0
    assert np.array_equal(Region(fill([triangle], (12, 12))).mask((12, 12)), inside)


def test_what_reaches_beyond_the_image_is_cut_off() -> None:
    square = np.array([[-5, -5], [50, -5], [50, 3], [-5, 3]], float)
    assert fill([square], (10, 10)) == [(0, 0, 10), (1, 0, 10), (2, 0, 10)]
    assert fill([square + 100], (10, 10)) == []


def test_an_endless_polygon_is_refused() -> None:
    zigzag = np.tile([[0, 0], [1, 1e6]], (10, 1))
    with pytest.raises(CorrectionError, match="20000000 times"):
        fill([zigzag], (1_000_000, 10))
