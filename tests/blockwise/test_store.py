"""A label image that is being written goes on from wherever a process was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import zarr

from napari_grd.blockwise.store import LabelStore
from napari_grd.errors import OutputError
from napari_grd.io.ome_zarr import PROVENANCE

PLAN = {"model": "nuclei"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="jobs are killed in forks")
def test_killed_at_the_first_and_last_changes() -> None:
    program = Path(__file__).with_name("killed_at_each_write.py")
    output = subprocess.run([sys.executable, str(program), "6"], check=True, capture_output=True, text=True).stdout
    assert len(output.splitlines()) > 9


def test_a_job_that_had_no_plan_yet_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "labels.ome.zarr"
    (path / ".grd-work" / "blocks").mkdir(parents=True)
    store = LabelStore(path, (8, 8), (8, 8))
    store.open(PLAN)
    (store.work / "plan.json").unlink()
    store.open(PLAN)
    assert store.finished() == set()
    assert (store.work / "plan.json").exists()


def test_a_finished_image_is_not_computed_again_and_nothing_is_left_of_the_job(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / "labels.ome.zarr", (8, 8), (8, 8))
    store.open(PLAN)
    assert not store.is_written
    zarr.open_group(store.path, mode="a").attrs[PROVENANCE] = {"model": "nuclei"}
    store.open(PLAN)
    assert store.is_written
    assert not store.is_result_of(PLAN)  # not yet: what was needed until the end is still there
    store.close()
    with pytest.raises(OutputError, match="holds a finished label image of another"):
        store.open(PLAN)
    assert not store.work.exists()
    assert store.is_written
