"""Where every pixel is labeled, fine-tuning is worth what ordinary training continued on the same pixels is."""

from typing import Any

import numpy as np
import pytest

from napari_grd.config import FineTuneConfig, SegmentConfig
from napari_grd.data.dataset import Example
from napari_grd.data.simulate import cells_2d
from napari_grd.distillation.objective import Objective
from napari_grd.finetuning import step
from napari_grd.finetuning.corrected_grid import on_grid
from napari_grd.finetuning.folds import labeled_regions, owners
from napari_grd.finetuning.held_out import mean_quality, score_regions
from napari_grd.finetuning.labeled_windows import labeled_windows
from napari_grd.finetuning.run import FineTuningRun, blended
from napari_grd.hub import load_model

STEPS = 30
CONFIG = FineTuneConfig(seconds=None, batch=2, patch=64, device="cpu", lr=4e-3)


def test_touching_cells_are_separated_as_by_ordinary_training(monkeypatch: pytest.MonkeyPatch) -> None:
    nuclei = load_model("nuclei")
    (image, labels), (other, expected) = (
        cells_2d(np.random.default_rng(seed), (160, 160), gaps=0.1) for seed in (0, 1)
    )
    image, other = -image.astype(np.float32), -other.astype(np.float32)  # dark cells: new to the model
    known = labels.astype(np.int64)
    as_known = SegmentConfig().as_known()
    (seen,), unseen = (
        on_grid(nuclei, [x[None]], [y.astype(np.int64)], as_known) for x, y in ((image, labels), (other, expected))
    )
    owned = [owners(expected.astype(np.int64))]

    def worth(windows: list[Example]) -> float:
        run = FineTuningRun(nuclei, windows, None, CONFIG)
        for number in range(STEPS):
            run.advance(number / STEPS)
        network = blended(nuclei.network, run.averaged_weights(), 1.0)
        return mean_quality(score_regions(nuclei, network, unseen, owned, labeled_regions(owned)))

    before = mean_quality(score_regions(nuclei, nuclei.network.eval(), unseen, owned, labeled_regions(owned)))
    tuned = worth(labeled_windows("", seen.image, known, CONFIG.patch))

    def ordinary(*arguments: Any) -> Objective:
        return Objective(*arguments)

    monkeypatch.setattr(step, "SparseObjective", ordinary)
    reference = worth([Example("", seen.image, known)])
    assert reference > before + 0.1
    assert tuned > before + 0.8 * (reference - before)
