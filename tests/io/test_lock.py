"""A lock has one holder, is named, and is taken over only where its process is known to have ended."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from napari_grd.errors import OutputError
from napari_grd.io import lock as module
from napari_grd.io.lock import Lock
from napari_grd.io.writer import host_id, this_process


def lock(path: Path) -> Lock:
    return Lock(path, "'a'", "Wait.")


def held_by(path: Path, **changes: Any) -> None:
    me = this_process()
    content = {"name": "elsewhere", "token": "x", "host": me.host, "pid": me.pid, "started": me.started}
    path.write_text(json.dumps(content | changes))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    with lock(tmp_path / "a.lock"):
        with pytest.raises(OutputError, match=rf"'a' is open in another.*process {os.getpid()} on this computer.*Wait"):
            lock(tmp_path / "a.lock").acquire()
        assert names(tmp_path) == ["a.lock"]
    assert names(tmp_path) == []
    with lock(tmp_path / "a.lock"):
        pass


def test_a_process_that_was_killed_loses_it(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys; from napari_grd.io.lock import Lock, used\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with used(folder), Lock(folder / 'a.lock', 'a', ''): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2
    assert module.users(tmp_path) == []
    with lock(tmp_path / "a.lock"):
        assert names(tmp_path) == ["a.lock"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("begin", [lambda folder: module.used(folder), lambda folder: lock(folder / "a.lock")])
def test_whoever_comes_next_tidies_up_after_one_that_was_killed(tmp_path: Path, begin: Any) -> None:
    code = (
        "import os, pathlib, signal, sys; from napari_grd.io.lock import USE, own_name\n"
        "from napari_grd.io.writer import RETIRED, TEMPORARY\n"
        "for kind in (USE, RETIRED, TEMPORARY): (pathlib.Path(sys.argv[1]) / own_name(kind)).touch()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert len(names(tmp_path)) == 3
    with begin(tmp_path):
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == []


def test_a_number_that_another_process_has_now(tmp_path: Path) -> None:
    held_by(tmp_path / "a.lock", started=this_process().started - 1000)
    with lock(tmp_path / "a.lock"):
        pass


def test_of_another_computer_it_is_named_and_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    held_by(path, host="0" * 8, pid=4_000_000_000)
    os.utime(path, (time.time() - 3 * 3600,) * 2)
    with pytest.raises(
        OutputError, match=r"process 4000000000 on the computer 'elsewhere', silent for 3 hours.*delete '.*a\.lock"
    ):
        lock(path).acquire()
    assert json.loads(path.read_text())["token"] == "x"


@pytest.mark.parametrize("content", ["", "{}", "[" * 5000, '{"host": 1, "pid": "x", "started": 2}', "\0"])
def test_a_lock_that_tells_nothing_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.lock").write_text(content)
    with pytest.raises(OutputError, match=r"a\.lock'.*does not name its holder.*delete that file"):
        lock(tmp_path / "a.lock").acquire()
    assert (tmp_path / "a.lock").read_text() == content


def test_it_shows_signs_of_life_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BEAT", 0.02)
    monkeypatch.setattr(module, "_heart", module._Heart())
    with lock(tmp_path / "a.lock"):
        os.utime(tmp_path / "a.lock", (1000, 1000))
        end = time.monotonic() + 10
        while (tmp_path / "a.lock").stat().st_mtime == 1000 and time.monotonic() < end:
            time.sleep(0.02)
        assert (tmp_path / "a.lock").stat().st_mtime > 1000


def test_who_takes_an_abandoned_lock_is_one(tmp_path: Path) -> None:
    held_by(tmp_path / "a.lock", pid=4_000_000_000)
    taken: list[Lock] = []

    def take() -> None:
        mine = lock(tmp_path / "a.lock")
        try:
            mine.acquire()
            taken.append(mine)
        except OutputError:
            return

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    assert names(tmp_path) == ["a.lock"]


def test_without_links_it_holds_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    with lock(tmp_path / "a.lock"), pytest.raises(OutputError, match="is open in another"):
        lock(tmp_path / "a.lock").acquire()
    assert names(tmp_path) == []


def test_what_somebody_else_holds_now_is_not_given_back(tmp_path: Path) -> None:
    mine = lock(tmp_path / "a.lock")
    mine.acquire()
    held_by(tmp_path / "a.lock")
    mine.release()
    assert names(tmp_path) == ["a.lock"]


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no folder"):
        lock(tmp_path / "nowhere" / "a.lock").acquire()
    assert Lock.beside(tmp_path / ("x" * 255), "x", "").path.name.startswith(".grd-lock-")
    assert len(host_id()) == 8
