"""The blocks of an image."""

from itertools import pairwise

from napari_grd.blockwise.grid import block_grid
from napari_grd.inference.boxes import size_of


def test_blocks_of_equal_sizes_follow_each_other() -> None:
    grid = block_grid((2,), (6000, 4700), (6000, 4700), halo=(80, 80), stride=(16, 16), spacing=3)
    numbers = [number for number in range(len(grid)) if number % 5]
    ordered = grid.by_size(numbers)
    assert sorted(ordered) == numbers
    sizes = [size_of(grid.block(number).seen) for number in ordered]
    changes = sum(one != other for one, other in pairwise(sizes))
    assert changes == len(set(sizes)) - 1
