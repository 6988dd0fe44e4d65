"""A file is whole or not there, whatever happens while it is written."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from napari_grd.errors import GrdError, OutputError
from napari_grd.io.atomic import atomic_folder, atomic_path, make_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_whole_and_alone(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


def test_an_old_file_survives_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()
    assert names(tmp_path) == ["a.txt"]
    assert target.read_text() == "old"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), GrdError("Bad.", "Mend it.")])
def test_interruptions_pass_unchanged_and_clean_up(tmp_path: Path, interruption: BaseException) -> None:
    with pytest.raises(type(interruption)), atomic_path(tmp_path / "a.txt"):
        raise interruption
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_killed_process_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    code = (
        "import os, signal, sys\n"
        "from napari_grd.io.atomic import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('ne')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left.*Free some space"),
        (errno.EROFS, "read-only file system.*another folder"),
        (errno.EACCES, "no permission.*Choose a folder"),
        (errno.EIO, "cannot be written"),
    ],
)
def test_an_error_of_the_system_names_file_and_remedy(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(OutputError, match=f"a.txt.*{words}"), atomic_path(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))
    assert names(tmp_path) == []


def test_a_missing_folder_is_found_before_the_work_is_done(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"no folder.*nowhere.*Create it"), atomic_path(tmp_path / "nowhere" / "a"):
        pytest.fail("the block has run")


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", refuse)  # the superuser, who runs the tests in a container, may write anywhere
    with pytest.raises(OutputError, match="no permission"), atomic_path(tmp_path / "a"):
        pytest.fail("the block has run")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"), atomic_path(tmp_path):
        pytest.fail("the block has run")


@pytest.mark.skipif(os.name != "posix", reason="links and modes are POSIX here")
def test_a_link_is_followed_and_the_mode_is_the_usual_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with atomic_path(tmp_path / "link") as temporary:
        temporary.write_text("new")
    (tmp_path / "plain").touch()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a" / "b").is_dir()


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match="cannot be created"):
        make_folder(tmp_path / "a" / "b")


def test_a_folder_appears_whole_and_replaces_only_if_told_to(tmp_path: Path) -> None:
    target = tmp_path / "a"
    for text in ("old", "new"):
        with atomic_folder(target, replace=True) as temporary:
            (temporary / "b.txt").write_text(text)
            assert not (target / "b.txt").exists() or (target / "b.txt").read_text() == "old"
    assert names(tmp_path) == ["a"]
    assert (target / "b.txt").read_text() == "new"
    with pytest.raises(OutputError, match="exists already"), atomic_folder(target):
        pytest.fail("the block has run")


@pytest.mark.parametrize("failure", [RuntimeError("half way"), KeyboardInterrupt()])
def test_an_old_folder_survives_a_failure(tmp_path: Path, failure: BaseException) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("old")

    def write_half() -> None:
        with atomic_folder(tmp_path / "a", replace=True) as temporary:
            (temporary / "b.txt").write_text("ne")
            raise failure

    with pytest.raises(type(failure)):
        write_half()
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a" / "b.txt").read_text() == "old"


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(OutputError, match="exists already"), atomic_folder(tmp_path / "a", replace=True):
        pytest.fail("the block has run")
