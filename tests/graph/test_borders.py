"""Borders between touching objects."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_grd.graph.borders import widen_borders


@settings(deadline=None, max_examples=50)
@given(arrays(np.int64, (2, 7, 9), elements=st.integers(-1, 3)))
def test_a_pixel_stays_where_its_window_has_one_object(labels) -> None:
    found = widen_borders(labels)
    for z, y, x in np.ndindex(labels.shape):
        rows = [row if row < 7 else 5 for row in (abs(y - 1), y, y + 1)]
        columns = [column if column < 9 else 7 for column in (abs(x - 1), x, x + 1)]
        ids = {int(i) for i in labels[z][np.ix_(rows, columns)].ravel() if i > 0}
        expected = 0 if labels[z, y, x] > 0 and len(ids) > 1 else labels[z, y, x]
        assert found[z, y, x] == expected


def test_planes_are_treated_one_by_one() -> None:
    labels = np.stack([np.full((4, 4), 1), np.full((4, 4), 2)])
    np.testing.assert_array_equal(widen_borders(labels), labels)
