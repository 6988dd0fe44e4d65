"""What was said gesture by gesture is what merging it one by one says, whatever it takes to keep it."""

import numpy as np
import pytest

from napari_grd.corrections.constraint_history import ConstraintHistory
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.merging import remaining
from napari_grd.graph.pairs import Groups, keys, unordered

SPOT = (40, 40)


def gesture(rng: np.random.Generator, kinds: str) -> Constraints:
    """A stroke near the middle, or background there."""
    angle, middle = rng.uniform(0, 2 * np.pi), 20 + rng.normal(0, 2, 2)
    reach = np.array([np.sin(angle), np.cos(angle)]) * 15
    points = [middle - reach, middle, middle + reach]
    match rng.choice([*kinds]):
        case "j":
            return Constraints.merge_stroke(points, SPOT)
        case "c":
            return Constraints.split_stroke(points, SPOT)
        case "s":
            return Constraints.split_points(points[0], points[2])
    return Constraints(background=np.rint(middle)[None].astype(np.int64))


def meaning(said: Constraints) -> tuple[object, ...]:
    """Which pixels hang together, which are kept apart, and which are set."""
    linked = np.unique(keys(said.must_link))
    sets = (set(keys(pixels).tolist()) for pixels in (said.all_foreground, said.background))
    return linked.tolist(), Groups(keys(said.must_link)).of(linked).tolist(), unordered(keys(said.cannot_link)), *sets


@pytest.mark.parametrize("kinds", ["j", "c", "jjjjc", "jc", "jjjjjse", "jcse"])
def test_it_says_what_merging_says(kinds: str) -> None:
    rng, said, before = np.random.default_rng(0), ConstraintHistory(), []
    parts: list[Constraints] = []
    for _ in range(30):
        if before and rng.random() < 0.2:  # an undo
            said, parts = before.pop()
        before.append((said, parts))
        later = gesture(rng, kinds)
        said, parts = said.then(later), [*remaining(parts, later), later]
        expected = meaning(Constraints.union(parts))
        assert meaning(said.constraints) == expected
        assert meaning(said.near((0, 0, *SPOT))) == expected


def test_strokes_at_one_spot_cost_what_the_spot_has_pixels() -> None:
    rng, said, rows = np.random.default_rng(0), ConstraintHistory(), []
    for _ in range(200):
        said = said.then(gesture(rng, "j"))
        near = said.near((0, 0, *SPOT))
        rows.append(len(near.must_link) + len(near.foreground))
    assert len(said.parts) == 1
    assert len(said.constraints.must_link) > 200 * 25
    assert rows[-1] < 2 * np.prod(SPOT)
    assert rows[-1] < 1.25 * rows[100]


def test_what_was_said_before_is_put_together_again_after_an_undo() -> None:
    rng, said = np.random.default_rng(0), ConstraintHistory()
    for _ in range(3):
        said = said.then(gesture(rng, "j"))
    before = meaning(said.near((0, 0, *SPOT)))
    said.then(gesture(rng, "j"))
    assert "constraints" not in vars(said.parts[0])
    assert meaning(said.near((0, 0, *SPOT))) == before
