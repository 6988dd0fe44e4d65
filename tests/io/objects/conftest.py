"""Label images with everything that an object can have: holes, parts, corners that touch, any number."""

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

NUMBERS = [0, 0, 1, 2, 2**40]


@pytest.fixture(scope="session")
def planes() -> st.SearchStrategy[Any]:
    """Planes of a few objects with ragged outlines."""
    shapes = st.tuples(st.integers(1, 9), st.integers(1, 11))
    return shapes.flatmap(lambda shape: arrays(np.int64, shape, elements=st.sampled_from(NUMBERS)))


def draw_objects() -> np.ndarray[Any, Any]:
    """A disc, a ring, an object of two parts, one at the rim, one pixel, and two that touch."""
    labels = np.zeros((40, 60), np.int32)
    y, x = np.indices(labels.shape)
    labels[np.hypot(y - 10, x - 10) < 7] = 3
    around = np.hypot(y - 28, x - 14)
    labels[(around < 9) & (around > 4)] = 900
    labels[4:9, 30:35] = labels[12:15, 40:44] = 12
    labels[30:, 50:] = 40
    labels[20, 30] = 41
    labels[24:30, 30:34], labels[24:30, 34:39] = 5, 6
    return labels


@pytest.fixture
def drawn() -> np.ndarray[Any, Any]:
    """:func:`draw_objects`."""
    return draw_objects()
