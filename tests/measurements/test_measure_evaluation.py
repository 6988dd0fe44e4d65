import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.errors import LabelError
from napari_grd.jobs import drain
from napari_grd.measurements.evaluation import iter_evaluate
from napari_grd.metrics.errors import ErrorKind

RNG = np.random.default_rng(0)
STACK, TRUE = np.kron(RNG.integers(0, 5, (2, 3, 4, 5)), np.ones((1, 1, 3, 3), int))


def test_planes_are_pooled_as_a_list_of_images_is() -> None:
    found = drain(iter_evaluate(reference=TRUE, labels=STACK, ndim=2))
    assert found.scores == grd.evaluate(reference=list(TRUE), labels=list(STACK))
    one = grd.find_errors(reference=TRUE[1], labels=STACK[1])
    np.testing.assert_array_equal(found.picture[1], one.picture)
    here = found.objects.columns["z"] == 1
    assert sorted(one.label_ids) == found.objects.columns["label"][here].tolist()


def test_a_volume_is_compared_as_one() -> None:
    found = drain(iter_evaluate(reference=TRUE, labels=STACK))
    assert found.scores == grd.evaluate(reference=TRUE, labels=STACK)
    assert found.counts == grd.find_errors(reference=TRUE, labels=STACK).counts
    assert found.objects.columns["label"].tolist() == [1, 2, 3, 4]
    for label, place in zip(found.objects.columns["label"], found.objects.anchors, strict=True):
        assert STACK[tuple(place)] == label


def test_every_label_object_has_a_row_with_its_match() -> None:
    found = drain(iter_evaluate(reference=np.array([[5, 5, 0, 0]]), labels=np.array([[1, 1, 0, 2]])))
    assert {name: values.tolist()[0] for name, values in found.objects.columns.items()} == {
        "label": 1, "kind": "correct", "reference": 5, "iou": 1.0,
    }  # fmt: skip
    assert found.counts[ErrorKind.SPURIOUS] == 1


def test_objects_too_small_to_count_are_listed_but_not_judged() -> None:
    found = drain(iter_evaluate(reference=np.array([[5, 5, 0, 0]]), labels=np.array([[1, 1, 0, 2]]), min_size=2))
    assert found.objects.columns["kind"].tolist() == ["correct", "ignored"]
    assert found.scores.ap50 == 1


def test_two_empty_images_agree() -> None:
    found = drain(iter_evaluate(reference=np.zeros((4, 4), int), labels=np.zeros((4, 4), int)))
    assert len(found.objects) == 0
    assert found.scores.ap50 == 1


def test_shapes_that_differ_are_both_named() -> None:
    with pytest.raises(LabelError, match=r"\(4, 4\).*\(4, 5\)"):
        drain(iter_evaluate(reference=np.zeros((4, 5), int), labels=np.zeros((4, 4), int)))
