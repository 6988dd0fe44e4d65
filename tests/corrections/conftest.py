"""Corrections to test with: one of each kind, and any that hypothesis thinks of."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import (
    Accept,
    Add,
    Correction,
    Draw,
    Erase,
    Link,
    Merge,
    Pick,
    Remove,
    Split,
    SplitLine,
    Unlink,
)
from napari_grd.corrections.predictions import PlanePrediction
from napari_grd.corrections.region import Region

IMAGE = ImageRef((3, 24, 32), "zyx", "stack.tif")


class Known:
    """Predictions in which each object has a direction of its own."""

    def __init__(self, labels: np.ndarray) -> None:
        rng = np.random.default_rng(0)
        directions = rng.standard_normal((int(labels.max()) + 1, 8)).astype(np.float32)
        self.embedding = directions[labels] + 0.1 * rng.standard_normal((*labels.shape, 8)).astype(np.float32)

    def of(self, plane: tuple[int, ...]) -> PlanePrediction:
        return PlanePrediction(self.embedding[plane])


@st.composite
def _regions(draw: Any) -> Region:
    height, width = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width).filter(any))
    origin = draw(st.tuples(st.integers(0, 16), st.integers(0, 24)))
    return Region.from_mask(np.reshape(bits, (height, width)), origin)


_PIXELS = st.tuples(st.integers(0, 23), st.integers(0, 31))
_STROKES = st.lists(st.tuples(st.floats(-5, 40), st.floats(-5, 40)), min_size=2, max_size=6).map(tuple)
_COMMON = {
    "plane": st.tuples(st.integers(0, 2)),
    "id": st.uuids().map(str),
    "time": st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),
    "author": st.none() | st.text(max_size=5),
}


def _any_correction() -> st.SearchStrategy[Correction]:
    at_object = {"pixel": _PIXELS, "region": _regions(), **_COMMON}
    painted = {"region": _regions(), "pixel": st.none() | _PIXELS, **_COMMON}
    return st.one_of(
        st.builds(Pick, growth=st.floats(-10, 10), **at_object),
        *(st.builds(kind, **at_object) for kind in (Add, Remove, Accept)),
        *(st.builds(kind, stroke=_STROKES, **_COMMON) for kind in (Merge, SplitLine)),
        *(st.builds(kind, **painted) for kind in (Draw, Erase)),
        st.builds(Split, first=st.just((0, 0)), second=_PIXELS.filter(any), **_COMMON),
        *(_links(kind) for kind in (Link, Unlink)),
    )


@st.composite
def _links(draw: Any, kind: type[Link] | type[Unlink]) -> Correction:
    first, second = draw(st.permutations(range(3)))[:2]
    common = {name: values for name, values in _COMMON.items() if name != "plane"}
    made: Correction = draw(
        st.builds(kind, first=_PIXELS, second=_PIXELS, other=st.just((second,)), plane=st.just((first,)), **common)
    )
    return made


@pytest.fixture(scope="session")
def image() -> ImageRef:
    """A stack of three planes."""
    return IMAGE


@pytest.fixture(scope="session")
def regions() -> st.SearchStrategy[Region]:
    """Regions of any form."""
    return _regions()


@pytest.fixture(scope="session")
def any_corrections() -> st.SearchStrategy[list[Correction]]:
    """Lists of corrections of the image, with ids of their own."""
    return st.lists(_any_correction(), max_size=6, unique_by=lambda correction: correction.id)


@pytest.fixture
def one_of_each() -> Callable[[], Corrections]:
    """Makes corrections of every kind, the last one undone."""

    def make() -> Corrections:
        ring = np.ones((3, 3), bool)
        ring[1, 1] = False
        region = Region.from_mask(ring, (4, 5))
        common: dict[str, Any] = {"plane": (1,), "author": "Zoë"}
        made = Corrections(
            IMAGE,
            [
                Pick((4, 5), region, growth=-0.25, **common),
                Add((4, 5), Region([(7, 5, 2)]), **common),
                Remove((4, 5), Region([(8, 5, 1), (9, 9, 1)]), **common),
                Accept((4, 5), region, **common),
                Merge([(1, 1), (2.125, 30.5)], **common),
                SplitLine([(-3, 1), (2, 1)], **common),
                Split((0, 0), (3, 3), **common),
                Draw(region, **common),
                Erase(region, (4, 5), **common),
                Link((1, 2), (3, 4), (2,), **common),
                Unlink((1, 2), (3, 4), (0,), **common),
                Merge([(0, 0), (0, 1)], plane=(2,)),
            ],
        )
        made.undo()
        return made

    return make
