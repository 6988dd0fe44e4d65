"""Whatever is killed with signal 9, and whenever: nothing is lost, nothing mixed, and the next run leaves nothing over.

Each task is first done without disturbance, once with either of two contents. Then a folder that has the first is
written to with the second and the process killed at a random moment. What is found is one of the two, whole; and after
the task was done once more, without a kill, it is as if it had never been disturbed.
"""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import open_journal
from napari_grd.data.fingerprint import model_fingerprint
from napari_grd.export.openvino import read_openvino
from napari_grd.hub import load_model
from napari_grd.io.leftovers import sweep_now

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed with a signal")

FILES = [
    "corrections", "model file", "tiff", "ome-tiff", "ome-zarr", "csv", "parquet", "geojson", "coco", "imagej",
    "onnx", "openvino", "openvino zip", "bioimageio", "fine-tune",
]  # fmt: skip
SLOW = {"onnx", "openvino", "openvino zip", "bioimageio", "distill", "segment"}
LONG = 20

Do = Callable[..., tuple[bool, float]]


@pytest.fixture(scope="module")
def do() -> Iterator[Do]:
    """Do a task in a process of its own: whether it came to its end, and the seconds it took."""
    command = [sys.executable, str(Path(__file__).with_name("worker.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        stdin, stdout = worker.stdin, worker.stdout

        def run(task: str, folder: Path, variant: int, seconds: float | None = None) -> tuple[bool, float]:
            stdin.write(json.dumps([task, str(folder), variant, seconds]) + "\n")
            stdin.flush()
            status, took = json.loads(stdout.readline())
            assert status in ((0,) if seconds is None else (0, -9)), f"{task} ended with {status}"
            return status == 0, took

        yield run
        stdin.close()


@pytest.fixture(scope="module")
def tally() -> Iterator[Counter[str]]:
    """Counts what happened, and says it at the end."""
    counted: Counter[str] = Counter(killed=0, lost=0, mixed=0, leftovers=0)
    yield counted
    print("\nkills:", dict(counted))


def digest(path: Path) -> str:
    """What a file or folder holds, without times of day."""
    if path.is_dir():
        return str({each.name: digest(each) for each in sorted(path.iterdir())})
    if path.name.endswith(".ome.tif"):  # it has an identifier of its own each time
        return hashlib.blake2b(tifffile.imread(path).tobytes(), digest_size=8).hexdigest()
    if path.suffix == ".xml":
        return str(read_openvino(path).get_rt_info(["napari_grd", "weights_blake2b"]).astype(str))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            assert packed.testzip() is None
            if "rdf.yaml" in packed.namelist() or "bioimageio.yaml" in packed.namelist():
                return model_fingerprint(load_model(path))
            return str(sorted((each.filename, each.CRC) for each in packed.infolist()))
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def state(folder: Path) -> dict[str, str]:
    return {path.name: digest(path) for path in sorted(folder.iterdir()) if not path.name.startswith(".grd-")}


def skip_if_slow(task: str, hostile_long: bool) -> None:
    if task in SLOW and not hostile_long:
        pytest.skip("takes long: run with --hostile-long")


class Moments:
    """When to kill: at random, until it was done so often; a process may have ended by itself before.

    Parameters
    ----------
    seconds : float
        How long it takes without a kill.
    count : int
        How often to kill.
    name : str
        Of the task; the moments depend on it.
    """

    def __init__(self, seconds: float, count: int, name: str, tally: Counter[str]) -> None:
        self._seconds, self._left, self._tries = seconds, count, 3 * count
        self._rng = np.random.default_rng(list(name.encode()))
        self._tally = tally

    def __iter__(self) -> Iterator[float]:
        while self._left and self._tries:
            self._tries -= 1
            yield self._seconds * self._rng.uniform(0.05, 1.05)

    def note(self, done: bool) -> None:
        """Take note of whether it came to its end."""
        self._left -= not done
        if done:
            self._seconds *= 0.8  # the measured time was of a slower run
        self._tally["killed"] += not done
        self._tally["ended before"] += done


@pytest.mark.parametrize("task", FILES)
def test_a_writer_that_is_killed(do: Do, tally: Counter[str], tmp_path: Path, task: str, hostile_long: bool) -> None:
    skip_if_slow(task, hostile_long)
    folder, wanted = tmp_path / "folder", []
    folder.mkdir()
    for variant in (1, 0):
        _, took = do(task, folder, variant)
        wanted.append(state(folder))
    assert wanted[0] != wanted[1]
    assert wanted[0].keys() == wanted[1].keys()
    moments = Moments(took, LONG if hostile_long else 1, task, tally)
    for seconds in moments:
        moments.note(do(task, folder, 1, seconds)[0])
        sweep_now(folder)  # as whoever writes there next
        found = state(folder)
        tally["lost"] += found.keys() != wanted[0].keys()
        tally["mixed"] += found not in wanted
        assert found in wanted, f"{task} killed after {seconds:.3f} s"
        do(task, folder, 0)
        assert state(folder) == wanted[1]
        left = [path.name for path in folder.iterdir() if path.name not in wanted[0]]
        tally["leftovers"] += len(left)
        assert left == []


@pytest.mark.parametrize("task", ["train", "distill", "segment"])
def test_a_job_that_is_killed_goes_on(
    do: Do, tally: Counter[str], tmp_path: Path, task: str, hostile_long: bool
) -> None:
    skip_if_slow(task, hostile_long)
    whole = tmp_path / "whole"
    whole.mkdir()
    _, took = do(task, whole, 0)
    wanted = {path.name for path in whole.rglob("*")}
    moments = Moments(took, LONG if hostile_long else 1, task, tally)
    for number, seconds in enumerate(moments):
        folder = tmp_path / str(number)
        folder.mkdir()
        moments.note(do(task, folder, 0, seconds)[0])
        do(task, folder, 0)
        if task == "segment":
            assert state(folder) == state(whole)
        else:
            name = f"{'teacher' if task == 'train' else 'student'}.grd.safetensors"
            ours, theirs = (load_model(each / "out" / name).network.state_dict() for each in (folder, whole))
            same = all(torch.equal(ours[key], theirs[key]) for key in theirs)
            tally["lost"] += not same
            assert same, f"{task} killed after {seconds:.3f} s"
        left = {path.name for path in folder.rglob("*")} - wanted
        tally["leftovers"] += len(left)
        assert left == set()


def test_a_journal_that_is_killed_keeps_what_was_accepted(
    do: Do, tally: Counter[str], tmp_path: Path, hostile_long: bool
) -> None:
    (tmp_path / "whole").mkdir()
    _, took = do("journal", tmp_path / "whole", 0)
    moments = Moments(took, LONG if hostile_long else 2, "journal", tally)
    for number, seconds in enumerate(moments):
        folder = tmp_path / str(number)
        folder.mkdir()
        moments.note(do("journal", folder, 0, seconds)[0])
        accepted = (folder / "accepted").read_text().split() if (folder / "accepted").exists() else []
        with open_journal(folder / "a.grd-corrections.geojson", ImageRef((64, 64))) as journal:
            kept = {correction.id for correction in journal}
            journal.compact()
        lost = [each for each in accepted if len(each) == 36 and each not in kept]
        tally["lost"] += len(lost)
        assert lost == []
        left = {path.name for path in folder.iterdir()} - {path.name for path in (tmp_path / "whole").iterdir()}
        tally["leftovers"] += len(left)
        assert left == set()
