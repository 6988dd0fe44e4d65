import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_grd.inference.boxes import pieces, size_of
from napari_grd.inference.lattice import cover, lattice_for
from napari_grd.inference.rescale import grid_shape

sides = st.integers(1, 400)
masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=20))


def paint(boxes, shape):
    canvas = np.zeros(shape, int)
    for box in boxes:
        canvas[box] += 1
    return canvas


@given(masks)
def test_what_is_missing_is_covered_once(missing):
    painted = paint(cover(missing, 5), missing.shape)
    assert painted[missing].all()
    assert painted.max(initial=0) <= 1


@given(st.integers(0, 30), st.integers(1, 60), st.integers(1, 60), st.integers(1, 500))
def test_pieces_tile_the_box(start, height, width, limit):
    box = (slice(start, start + height), slice(2, 2 + width))
    parts = pieces(box, limit)
    assert paint(parts, (start + height, 2 + width)).sum() == height * width
    assert paint(parts, (start + height, 2 + width)).max() == 1
    assert all(h * w <= limit for h, w in map(size_of, parts))


@given(sides, sides, st.floats(0.05, 20), st.sampled_from([8, 16, 32, 64]))
def test_every_pixel_lies_in_one_cell(height, width, scale, stride):
    shape = (height, width)
    lattice = lattice_for(shape, grid_shape(shape, scale), stride)
    assert all(side % stride == 0 for side in lattice.cell)
    rows, columns = lattice.cells
    edges = [lattice.pixels_of((slice(row, row + 1), slice(0, columns)))[0] for row in range(rows)]
    assert [edge.start for edge in edges[1:]] == [edge.stop for edge in edges[:-1]]
    assert (edges[0].start, edges[-1].stop) == (0, height)


@given(sides, sides, st.floats(0.05, 20), st.data())
def test_cells_of_a_region_cover_it(height, width, scale, data):
    shape = (height, width)
    lattice = lattice_for(shape, grid_shape(shape, scale), 16)
    region = []
    for size in shape:
        start = data.draw(st.integers(0, size - 1))
        region.append(slice(start, data.draw(st.integers(start + 1, size))))
    cells = lattice.cells_of(tuple(region))
    for span, pixels in zip(region, lattice.pixels_of(cells), strict=True):
        assert pixels.start <= span.start
        assert pixels.stop >= span.stop
    for index, span in zip(lattice.nearest(cells), lattice.grid_of(cells), strict=True):
        assert (np.diff(index) >= 0).all()
        assert index.min() >= 0
        assert index.max() < span.stop - span.start
