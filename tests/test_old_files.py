"""Files that earlier versions wrote open, and mean what they meant."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.config import DistillConfig, NetworkConfig, SegmentConfig
from napari_grd.corrections.apply import apply_corrections
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.journal import open_journal
from napari_grd.corrections.predictions import Predictions
from napari_grd.data.fingerprint import model_fingerprint
from napari_grd.data.simulate import nuclei_2d

OLD = Path(__file__).parent / "old_files"
CORRECTIONS = OLD / "every_kind.grd-corrections.geojson"


def block_labels() -> np.ndarray:
    """The labels that the corrections were made on: blocks of 8 x 8 pixels."""
    labels = np.arange(1, 2 * 4 * 5 + 1, dtype=np.uint32).reshape(2, 4, 5)
    return labels.repeat(8, axis=1).repeat(8, axis=2)


def test_a_corrections_file_applies_as_it_did() -> None:
    corrections = grd.load_corrections(CORRECTIONS)
    assert [len(corrections.entries), len(list(corrections))] == [11, 10]
    labels = apply_corrections(block_labels(), Predictions(), corrections)
    np.testing.assert_array_equal(labels, np.load(OLD / "every_kind.npy"))


def test_a_corrections_file_is_written_as_it_was(tmp_path: Path) -> None:
    """Versions from before read what this one writes."""
    written = save_corrections(grd.load_corrections(CORRECTIONS), tmp_path / CORRECTIONS.name)
    assert written.read_text() == CORRECTIONS.read_text()


def test_a_journal_is_recovered(tmp_path: Path) -> None:
    shutil.copy(OLD / "unsaved.grd-corrections.journal", tmp_path)
    wanted = grd.load_corrections(CORRECTIONS)
    with open_journal(tmp_path / "unsaved.grd-corrections.geojson", wanted.image) as journal:
        found: Corrections = journal
        assert journal.dropped is None
    assert [one.kind for one in found] == [one.kind for one in wanted]
    labels = apply_corrections(block_labels(), Predictions(), found)
    np.testing.assert_array_equal(labels, np.load(OLD / "every_kind.npy"))


def test_a_stopped_distillation_resumes_with_its_cache(tmp_path: Path) -> None:
    out_dir = tmp_path / "stopped"
    shutil.copytree(OLD / "stopped", out_dir)
    chunks = sorted(path for path in out_dir.rglob("*.kept/output/c/**/*") if path.is_file())
    assert len(chunks) == 2
    before = [path.stat().st_mtime_ns for path in chunks]
    config = DistillConfig(
        steps=6, batch=1, patch=32, network=NetworkConfig(widths=(2, 2, 2, 2, 2)), checkpoint_every=1e-6
    )
    steps: list[int] = []

    def on_event(event: grd.Event) -> None:
        if isinstance(event, grd.Progress) and event.stage == "Distilling":
            steps.append(event.done)

    images = list(np.load(OLD / "images.npy"))
    student = grd.distill("nuclei", images, config=config, validation=0.0, out_dir=out_dir, on_event=on_event)
    assert min(steps) >= 4, "it began anew instead of resuming"
    assert max(steps) == 6
    assert [path.stat().st_mtime_ns for path in chunks] == before, "the teacher was asked again"
    assert student.config.network.embedding == 16


@pytest.mark.parametrize(
    ("name", "fingerprint", "objects"),
    [
        ("nuclei", "77be31a76788303d5d6c6c89992b9b07", 4),
        ("nuclei-teacher", "676f5d09cac23253bc5281d3d5fcadaf", 4),
        ("phase", "52f137d7176db6e484817f824d939088", 2),
        ("tissue", "8dabfabe9b2b37a9a3fcddefc72d2381", None),
    ],
)
def test_a_built_in_model_is_the_same(name: str, fingerprint: str, objects: int | None) -> None:
    """Same settings and weights: caches of its predictions stay valid. A model that is trained anew has others."""
    model = grd.load_model(name)
    assert model_fingerprint(model) == fingerprint
    image, _ = nuclei_2d(np.random.default_rng(0), (96, 96))
    shape = (model.config.in_channels, *image.shape)
    labels = grd.segment(model, np.broadcast_to(image, shape), SegmentConfig(runtime="torch"), axes="cyx")
    assert labels.shape == image.shape
    if objects is not None:
        assert abs(int(labels.max()) - objects) <= 1
