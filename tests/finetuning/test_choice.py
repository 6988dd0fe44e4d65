"""When scores of held-out objects count as better."""

import pytest

from napari_grd.finetuning.choice import is_clear_gain, is_gain
from napari_grd.finetuning.held_out import RegionScore


def scores(*ious: float) -> list[RegionScore]:
    return [RegionScore(iou, 0) for iou in ious]


@pytest.mark.parametrize(
    ("before", "after", "gain", "clear"),
    [
        ((0.3, 0.3, 0.3, 0.3), (0.8, 0.8, 0.8, 0.8), True, True),
        ((0.3, 0.3, 0.3, 0.3), (0.8, 0.3, 0.3, 0.1), True, False),  # one object in four
        ((0.3, 0.3, 0.3, 0.3), (0.38, 0.38, 0.38, 0.38), True, False),  # always, but little: no object is found
        ((0.8, 0.8, 0.8, 0.8), (0.85, 0.85, 0.85, 0.85), False, False),
        ((), (), False, False),
    ],
)
def test_a_clear_gain_is_large_and_on_most_objects(
    before: tuple[float, ...], after: tuple[float, ...], gain: bool, clear: bool
) -> None:
    assert is_gain(scores(*before), scores(*after)) is gain
    assert is_clear_gain(scores(*before), scores(*after)) is clear
