"""The scores of five image pairs, as the paper's evaluation and scikit-image gave them."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from napari_grd.metrics.scores import evaluate

COLUMN = {
    "sbd": "sbd",
    "dic": "abs_dic",
    "aji": "aji",
    "dice": "pixel_f1",
    "f1": "dq",
    "pq": "pq",
    "voi_split": "voi_split_ignore0",
    "voi_merge": "voi_merge_ignore0",
    "arand": "arand_ignore0",
}


@pytest.mark.parametrize("image", range(5), ids=["shifted", "merge", "split and spurious", "misses", "identical"])
def test_published_scores_are_reproduced(goldens: Callable[[str], Mapping[str, np.ndarray]], image: int) -> None:
    golden = goldens("metrics.npz")
    expected = dict(zip(golden["columns"], golden["values"][image], strict=True))
    scores = evaluate(reference=golden["gt"][image], labels=golden["pred"][image]).as_dict()
    for name, column in COLUMN.items():
        assert scores[name] == pytest.approx(expected[column], rel=1e-5, abs=1e-9), name
