"""Blocks in other processes, which are killed."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import napari_grd.blockwise.grid
import napari_grd.blockwise.scheduler
from napari_grd.blockwise.scheduler import cluster, run_on_cluster
from napari_grd.blockwise.segment_zarr import iter_segment_zarr, segment_zarr
from napari_grd.config import SegmentConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ConfigError
from napari_grd.jobs import Progress

CONFIG = SegmentConfig(runtime="torch", precision="f32", object_diameter=None, invert=False)
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:ResourceWarning"),  # of distributed, whose sockets close late
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_two_processes_both_of_which_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari_grd.blockwise.grid, "_SIDE", 384)
    image = nuclei_2d(np.random.default_rng(1), (600, 1100))[0]
    alone = segment_zarr("nuclei", image, tmp_path / "alone.ome.zarr", CONFIG)
    path = tmp_path / "cluster.ome.zarr"
    limits = _limits()
    with cluster(2) as client:
        assert _limits() == limits  # of workers, not of this process and the programs that it starts
        processes: list[int] = list(client.run(os.getpid).values())
        killed = False
        job = iter_segment_zarr("nuclei", image, path, CONFIG, client=client)
        for event in job:
            if isinstance(event, Progress) and event.stage == "Segmenting blocks" and event.done >= 2 and not killed:
                for process in processes:  # what they were sent is lost
                    os.kill(process, signal.SIGKILL)
                killed = True
        assert killed
        large = np.zeros(11_000_000, np.uint8)  # an image in memory, of which dask would warn
        outcomes = [
            outcome
            for outcome in run_on_cluster(lambda number: (number, "x" * large[0]), range(50), client)
            if outcome is not None
        ]
    assert _limits() == limits
    assert sorted(outcomes) == [(number, "") for number in range(50)]
    assert np.array_equal(_labels(alone), _labels(path))


def test_a_scheduler_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari_grd.blockwise.scheduler, "_CONNECT", 0.5)
    with pytest.raises(ConfigError, match=r"tcp://127\.0\.0\.1:1' does not answer"):
        segment_zarr("nuclei", np.zeros((64, 64)), tmp_path / "a.zarr", CONFIG, scheduler="tcp://127.0.0.1:1")


def _limits() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.endswith("_THREADS") or name.startswith("MALLOC")}


def _labels(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(zarr.open_array(path / "0", mode="r"))


FAKE_SRUN = """#!/bin/bash
# Runs the command once, on this computer.
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_job_script_of_the_guide(tmp_path: Path, hostile_long: bool) -> None:
    if not hostile_long:
        pytest.skip("takes long: run with --hostile-long")
    guide = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text("utf-8")
    [script] = [block for block in re.findall(r"```bash\n(.*?)```", guide, re.DOTALL) if "#SBATCH" in block]
    (tmp_path / "job.sh").write_text(script)
    (tmp_path / "srun").write_text(FAKE_SRUN)
    (tmp_path / "srun").chmod(0o755)
    group = zarr.open_group(tmp_path / "slide.ome.zarr", mode="w", zarr_format=3)
    image = nuclei_2d(np.random.default_rng(1), (200, 300))[0]
    group.create_array("0", data=image)
    axes = [{"name": axis, "type": "space"} for axis in "yx"]
    transform = [{"type": "scale", "scale": [1.0, 1.0]}]
    scales = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transform}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": scales}
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    # In a process group of its own, as SLURM ends what a job left running.
    job = subprocess.Popen(
        ["bash", "job.sh"], cwd=tmp_path, env=os.environ | {"PATH": path, "SLURM_JOB_ID": "7"}, start_new_session=True
    )
    try:
        assert job.wait(200) == 0
    finally:
        os.killpg(job.pid, signal.SIGKILL)
    assert _labels(tmp_path / "labels.ome.zarr").shape == (200, 300)
