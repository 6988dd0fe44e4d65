"""What killed writers leave is completed or removed by the next writer; nothing else is touched."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from napari_grd.io import atomic, leftovers
from napari_grd.io.atomic import atomic_folder, atomic_path, atomic_paths
from napari_grd.io.writer import TEMPORARY, own_name, this_process

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")

WRITE = {
    "file": """
with atomic_path(folder / "a.txt") as temporary: temporary.write_text("new"); step("filled")
""",
    "pair": """
with atomic_paths(folder / "a.txt", folder / "b.txt") as (a, b):
    a.write_text("new"); b.write_text("new"); step("filled")
""",
    "opened": """
with atomic_paths(folder / "a.txt", folder / "b.txt", opened=True) as (a, b):
    a.write_text("new"); b.write_text("new"); step("filled")
""",
    "folder": """
with atomic_folder(folder / "a", replace=True) as temporary:
    (temporary / "c").write_text("new"); step("filled")
""",
}
# Every call that changes names ends the process, once before it and once after: each in a folder and a fork of its own.
PRELUDE = """
import os, pathlib, signal, sys
from napari_grd.io import atomic, leftovers
from napari_grd.io.atomic import atomic_folder, atomic_path, atomic_paths
if sys.argv[3] == "slow": atomic._exchange = lambda *_: False
def step(name):
    global count
    if count == 0: os.kill(os.getpid(), signal.SIGKILL)
    count -= 1
def around(owner, name):
    call = getattr(owner, name)
    def changed(*given, **named):
        step(name); result = call(*given, **named); step(name)
        return result
    setattr(owner, name, changed)
for number in range(100):
    folder, count = pathlib.Path(sys.argv[1]) / str(number), number
    (folder / "a").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "a/c"): (folder / name).write_text("old")
    child = os.fork()
    if not child:
        for name in ("replace", "rename", "unlink", "mkdir", "touch"): around(pathlib.Path, name)
        exec(sys.argv[2])
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != -signal.SIGKILL: sys.exit(status)
sys.exit("it never ended")
"""


def killed_at_every_step(kind: str, folder: Path, exchange: str = "") -> list[Path]:
    """Folders in which a writer was killed, each a step later; in the last it came to its end."""
    command = [sys.executable, "-c", PRELUDE, str(folder), WRITE[kind], exchange]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return sorted(folder.iterdir(), key=lambda each: int(each.name))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def state(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("kind", "exchange"), [("file", ""), ("pair", ""), ("opened", ""), ("folder", ""), ("folder", "slow")]
)
def test_a_kill_at_every_step_loses_and_mixes_nothing(tmp_path: Path, kind: str, exchange: str) -> None:
    outcomes = []
    written = {"file": ["a.txt"], "pair": ["a.txt", "b.txt"], "opened": ["a.txt", "b.txt"], "folder": ["a/c"]}[kind]
    for folder in killed_at_every_step(kind, tmp_path, exchange):
        if kind == "opened" and (folder / "a.txt").exists():  # nobody opens it with another's
            assert (folder / "a.txt").read_text() == (folder / "b.txt").read_text()
        leftovers.sweep_now(folder)
        found = state(folder)
        assert sorted(found) == ["a.txt", "a/c", "b.txt"], f"step {folder.name}"
        assert len({found[name] for name in written}) == 1, f"step {folder.name}: {found}"
        assert all(found[name] == "old" for name in found if name not in written)
        outcomes.append(found[written[0]])
    assert len(outcomes) > 3
    assert outcomes == sorted(outcomes, reverse=True)  # the old one up to some step, then the new one
    assert set(outcomes) == {"old", "new"}


def test_a_stale_commit_does_not_undo_what_was_written_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = killed_at_every_step("pair", tmp_path)
    folder = next(each for each in steps if any("commit" in name for name in names(each)))
    monkeypatch.setitem(leftovers._swept, folder, float("inf"))  # as in a program that looked a moment ago
    with atomic_paths(folder / "a.txt", folder / "b.txt") as (a, b):
        a.write_text("newest")
        b.write_text("newest")
    leftovers.sweep_now(folder)
    assert state(folder) == {"a.txt": "newest", "a/c": "old", "b.txt": "newest"}


def test_only_what_is_ours_and_abandoned_is_removed(tmp_path: Path) -> None:
    ours = own_name(TEMPORARY, ".tif")
    mine, pid = this_process(), 4_000_000_000
    gone = ours.replace(f"-{mine.pid}-", f"-{pid}-")
    kept = [
        ours,  # this process still runs
        ours.replace(mine.host, "0" * 8 if mine.host != "0" * 8 else "1" * 8).replace(f"-{mine.pid}-", f"-{pid}-"),
        ".grd-tmp-notes.txt",
        ".12345678-a.txt",
        f"x{gone}",
        "image.tif",
    ]
    for name in [gone, *kept]:
        (tmp_path / name).write_text("")
    (tmp_path / gone.replace(".tif", ".zarr")).mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "thesis").touch()
    (tmp_path / gone.replace(".tif", "")).symlink_to(tmp_path / "elsewhere")
    with atomic_path(tmp_path / "new"):
        pass
    assert names(tmp_path) == sorted([*kept, "new", "elsewhere"])
    assert names(tmp_path / "elsewhere") == ["thesis"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[" * 100_000, b'{"moves": 3}', b'{"moves": [{"new": "../x", "target": "a", "was": null, "old": null}]}',
        b'{"moves": [{"new": "image.tif", "target": "a", "was": null, "old": null}]}',
    ],
)  # fmt: skip
def test_a_commit_from_a_stranger_moves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.tif").write_text("mine")
    mine = this_process()
    name = own_name(leftovers.COMMIT, ".json").replace(f"-{mine.pid}-", "-4000000000-")
    (tmp_path / name).write_bytes(content)
    leftovers.sweep_now(tmp_path)
    assert state(tmp_path) == {"image.tif": "mine"}


def test_all_or_none_of_several_files(tmp_path: Path) -> None:
    paths = tmp_path / "a.txt", tmp_path / "b.txt"
    for text in ("old", "new"):
        with atomic_paths(*paths) as temporaries:
            for temporary in temporaries:
                temporary.write_text(text)

    def write_half() -> None:
        with atomic_paths(*paths) as temporaries:
            temporaries[0].write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert state(tmp_path) == {"a.txt": "new", "b.txt": "new"}


def test_a_folder_is_replaced_where_the_system_cannot_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "a", replace=True) as temporary:
            (temporary / "b").write_text(text)
    assert state(tmp_path) == {"a/b": "new"}
