"""The headless editor."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.corrections import (
    Correction,
    Corrections,
    Editor,
    ImageRef,
    PlaneEvidence,
    replay,
)
from napari_grd.graph.constraints import Constraints

SHAPE = (24, 32)
IMAGE = ImageRef((3, *SHAPE), "zyx", "stack.tif")


class Known:
    """Evidence made up for every plane."""

    def __init__(self, labels: np.ndarray) -> None:
        rng = np.random.default_rng(0)
        directions = rng.standard_normal((int(labels.max()) + 1, 8)).astype(np.float32)
        self.embedding = directions[labels] + 0.1 * rng.standard_normal((*labels.shape, 8)).astype(np.float32)

    def of(self, plane: tuple[int, ...]) -> PlaneEvidence:
        return PlaneEvidence(self.embedding[plane])


def tiles() -> np.ndarray:
    """Objects of 7 x 7 pixels, some of which touch."""
    labels = np.zeros(SHAPE, np.int64)
    for number, (y, x) in enumerate(np.ndindex(3, 4), start=1):
        labels[8 * y : 8 * y + 7 + (x < 2), 8 * x : 8 * x + 7 + (y > 0)] = number
    return labels


def stack() -> np.ndarray:
    return np.stack([tiles(), tiles() * (tiles() < 9), tiles() + 12 * (tiles() > 0)])


def editor(labels: np.ndarray | None = None, made: list[Correction] | None = None) -> Editor:
    labels = tiles() if labels is None else labels
    return Editor(labels, Corrections(ImageRef(labels.shape), made or []), Known(labels))


def assert_holds(labels: np.ndarray, given: Constraints) -> None:
    links, apart = (labels[pairs[..., 0], pairs[..., 1]] for pairs in (given.together, given.apart))
    assert (links[:, 0] == links[:, 1]).all()
    assert (links > 0).all()
    assert ((apart[:, 0] != apart[:, 1]) | (apart[:, 0] == 0)).all()
    assert (labels[tuple(given.foreground.T)] > 0).all()
    assert (labels[tuple(given.background.T)] == 0).all()


def editor_of_stack() -> Editor:
    return Editor(stack(), Corrections(IMAGE), Known(stack()))


def assert_steps(made: list[Correction]) -> None:
    """Whatever is said holds, nothing else changes, and it is undone, redone and replayed exactly."""
    edited = editor_of_stack()
    states = [edited.labels.copy()]
    for correction in made:
        before = edited.labels.copy()
        change = edited.apply(correction)
        outside = np.ones(IMAGE.shape, bool)
        outside[(*change.plane, *change.window)] = False
        np.testing.assert_array_equal(edited.labels[outside], before[outside])
        differ = edited.labels != before
        assert {*edited.labels[differ].tolist(), *before[differ].tolist()} - {0} == set(change.ids)
        for plane in edited.corrections.planes:
            assert_holds(edited.labels[plane], edited.said(plane))
        states.append(edited.labels.copy())
    np.testing.assert_array_equal(replay(stack(), Known(stack()), edited.corrections), edited.labels)
    for state in reversed(states[:-1]):
        assert edited.undo() is not None
        np.testing.assert_array_equal(edited.labels, state)
    assert edited.undo() is None
    for state in states[1:]:
        assert edited.redo() is not None
        np.testing.assert_array_equal(edited.labels, state)
    assert edited.redo() is None


def test_whatever_is_said_holds_and_is_undone_exactly(any_corrections: st.SearchStrategy[list[Correction]]) -> None:
    settings(max_examples=60, deadline=None)(given(any_corrections)(assert_steps))()
