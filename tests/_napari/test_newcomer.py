"""Somebody who opens the window for the first time gets right labels, with few clicks."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter
from tifffile import imwrite

from napari_grd._napari.correct import storage
from napari_grd._napari.files.claims import claim_names
from napari_grd.config import FineTuneConfig
from napari_grd.data.simulate import nuclei_2d

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def phase_contrast() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Cells with a bright halo and a dark rim on a gray ground, some of them touching."""
    rng = np.random.default_rng(2)
    _, labels = nuclei_2d(rng, (224, 224), 18)
    inside, outside = distance_transform_edt(labels > 0), distance_transform_edt(labels == 0)
    rim = -25 * np.exp(-(((inside - 4) / 4) ** 2)) * (labels > 0)
    halo = 70 * np.exp(-((outside / 2.5) ** 2)) * (labels == 0)
    image = gaussian_filter(120 + rim + halo, 0.8) + 3 * rng.standard_normal(labels.shape)
    return np.clip(image, 0, 255).astype(np.uint8), labels


def one_cell_of_two(labels: np.ndarray[Any, Any], cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The cells, with two neighbors that were found as two objects being one: the model does not split this image."""
    alone = {}
    for cell in range(1, int(cells.max()) + 1):
        number = int(np.bincount(labels[cells == cell]).argmax())
        if number and len(np.unique(cells[(labels == number) & (cells > 0)])) == 1:
            alone[cell] = np.argwhere(cells == cell).mean(axis=0)
    pairs = [(np.hypot(*(alone[a] - alone[b])), a, b) for a in alone for b in alone if a < b]
    _, first, second = min(pairs)
    return np.where(cells == second, first, cells)


@pytest.mark.timeout(600)
def test_a_newcomer_gets_right_labels_with_few_actions(
    make_napari_viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(storage, "user_data_path", lambda *_args, **_more: tmp_path / "data")
    newcomer = importlib.import_module("newcomer")
    monkeypatch.setattr(newcomer, "LIMIT", 90.0)
    image, cells = phase_contrast()
    imwrite(tmp_path / "phase contrast.tif", image)

    def quick(learn: Any) -> None:
        learn.config = FineTuneConfig(steps=2, seconds=None, patch=64)
        learn.best.setChecked(False)

    viewer = make_napari_viewer()
    claim_names()  # at the first command of a process, which may have been in another test, with other settings
    outcome = newcomer.work(
        viewer,
        make_napari_viewer,
        tmp_path / "phase contrast.tif",
        lambda labels: one_cell_of_two(labels, cells),
        quick,
    )
    assert outcome.model == "phase"
    assert not newcomer.check(outcome)
    assert outcome.learned
    assert len(outcome.actions) <= 40
