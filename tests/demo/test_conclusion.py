"""What the demonstration says of its numbers is true, also where they are not what one hoped for."""

from dataclasses import replace

import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.demo.compare import Comparison, Row
from napari_grd.demo.conclusion import conclude


def scores(share: float) -> grd.Scores:
    """Scores of an image with 100 objects of which this share is found: that is its AP50."""
    labels = np.repeat(np.arange(1, 101), 4).reshape(20, 20)
    return grd.evaluate(reference=labels, labels=np.where(labels <= round(100 * share), labels, 0))


def comparison(teacher: float, undistilled: float, distilled: float, empty: tuple[int, int, int] | None) -> Comparison:
    counts = (None, None, None) if empty is None else empty
    rows = (
        Row("teacher", 1600, 80, 400.0, scores(teacher), counts[0]),
        Row("undistilled", 100, 5, 40.0, scores(undistilled), counts[1]),
        Row("distilled", 100, 5, 40.0, scores(distilled), counts[2]),
    )
    return Comparison(rows, {}, (64, 64), 1, empty=0 if empty is None else 1)


def test_a_teacher_that_helps() -> None:
    said = conclude(comparison(0.90, 0.72, 0.88, (0, 0, 0)), labeled=5, unlabeled=40)
    assert said.startswith("With 5 labeled images and 40 unlabeled images the distilled student reaches 98 % of")
    assert "(0.88 of 0.90), with 1/16 of its parameters and in 1/10 of its time." in said
    assert "The same network trained for as many steps on the 5 labeled images alone," in said
    assert "without the teacher, reaches 80 % (0.72)." in said
    assert said.endswith("In an empty field of view, no model finds an object.")


@pytest.mark.parametrize(("distilled", "verdict"), [(0.72, "no different from"), (0.60, "better than")])
def test_a_teacher_that_does_not_help_is_told(distilled: float, verdict: str) -> None:
    said = conclude(comparison(0.90, 0.72, distilled, None), labeled=1, unlabeled=0)
    assert "the teacher did not help" in said
    assert verdict in said
    assert "0.72" in said
    assert said.startswith("With 1 labeled image the distilled student")
    assert "empty" not in said


def test_what_is_found_in_an_empty_field_is_told_of_each_model() -> None:
    said = conclude(comparison(0.90, 0.72, 0.88, (7, 3, 0)), labeled=5, unlabeled=40)
    assert said.endswith("In an empty field of view, objects are found by the teacher (7) and undistilled student (3).")


def test_without_labels_and_without_a_baseline() -> None:
    whole = comparison(0.90, 0.72, 0.88, None)
    said = conclude(replace(whole, rows=(whole.rows[0], whole.rows[2])), labeled=0, unlabeled=40)
    assert said.startswith("From 40 unlabeled images, without a single label, the distilled student reaches 98 %")
    assert "alone" not in said


def test_without_scores_nothing_is_claimed() -> None:
    whole = comparison(0.90, 0.72, 0.88, None)
    assert (
        conclude(replace(whole, rows=tuple(replace(r, scores=None) for r in whole.rows)), labeled=5, unlabeled=1) == ""
    )
