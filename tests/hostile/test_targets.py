"""Whatever a result is written to is written or refused in one line; what is not ours is never replaced."""

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from napari_grd.errors import OutputError
from napari_grd.io import targets
from napari_grd.io.atomic import atomic_folder, atomic_path, make_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="devices, links and modes are POSIX here")


def write(path: str | Path, text: str = "new") -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(path: str | Path, words: str) -> None:
    with pytest.raises(OutputError, match=words) as found, atomic_path(path):
        pytest.fail("the block has run")
    assert "\n" not in str(found.value)
    with pytest.raises(OutputError), atomic_folder(path, replace=True):
        pytest.fail("the block has run")


def test_a_device_of_characters_is_written_to() -> None:
    before = Path("/dev/null").stat()
    write("/dev/null")
    after = Path("/dev/null").stat()
    assert stat.S_ISCHR(after.st_mode)
    assert (after.st_ino, after.st_mode, after.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)
    assert [path for path in Path("/dev").iterdir() if path.name.startswith(".grd-")] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_device_without_space_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="no space is left"):
        write(tmp_path / "link")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_pipe_is_written_to_and_one_without_reader_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write(pipe, "x" * 200_000)  # more than a pipe holds
    reader.join(10)
    assert got == ["x" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    monkeypatch.setattr(targets, "_PATIENCE", 0.1)
    with pytest.raises(OutputError, match="has no reader"):
        write(pipe)
    assert names(tmp_path) == ["pipe"]


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        refused(tmp_path / "socket", "is a socket")
    assert stat.S_ISSOCK((tmp_path / "socket").stat().st_mode)


@pytest.mark.parametrize("redirected", [True, False])
def test_standard_output_is_written_to_whatever_it_is(tmp_path: Path, redirected: bool) -> None:
    code = (
        "from napari_grd.io.atomic import atomic_path\n"
        "print('before', flush=True)\n"
        "with atomic_path('/dev/stdout') as temporary: temporary.write_text('written\\n')\n"
        "print('after')\n"
    )
    out = tmp_path / "out"
    with out.open("w") as file:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, check=True, stdout=file if redirected else subprocess.PIPE, text=True)
    text = out.read_text() if redirected else done.stdout
    assert text == "before\nwritten\nafter\n"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("loop", "leads back to itself"),
        ("into-nowhere", "no folder|into a folder that does not exist|no space|cannot be written"),
        ("nul\0byte", "is not a valid file name"),
        ("x" * 256, "too long"),
        ("ä" * 128, "too long"),
        ("\udcff\ud800", "is not a valid file name"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "into-nowhere").symlink_to(tmp_path / "no" / "where")
    refused(tmp_path / name, words)
    assert names(tmp_path) == ["into-nowhere", "loop"]
    if name != "into-nowhere":
        with pytest.raises(OutputError, match="cannot be created"):
            make_folder(tmp_path / name / "folder")


@pytest.mark.parametrize("size", [240, 247, 251, 255])
@pytest.mark.parametrize("suffix", [".tif", ".grd.safetensors", "." + "s" * 200, ""])
def test_every_valid_name_works(tmp_path: Path, size: int, suffix: str) -> None:
    path = tmp_path / ("n" * (size - len(suffix)) + suffix)
    for text in ("one", "two"):
        write(path, text)
        assert path.read_text() == text
    with atomic_folder(tmp_path / ("f" * size)) as temporary:
        (temporary / "a").touch()
    assert names(tmp_path) == ["f" * size, path.name]


def test_a_dangling_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    write(tmp_path / "link")
    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(mode)
    with atomic_path(path) as temporary:
        if mode == 0o600:
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o600  # while it is written, too
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_write_protected_files_and_folders_stay(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.txt", tmp_path / "folder"
    path.write_text("old")
    path.chmod(0o444)
    folder.mkdir()
    (folder / "b").write_text("old")
    folder.chmod(0o555)
    with pytest.raises(OutputError, match=r"a\.txt' is write-protected"):
        write(path)
    with pytest.raises(OutputError, match=r"folder' is write-protected"), atomic_folder(folder, replace=True):
        pytest.fail("the block has run")
    assert path.read_text() == (folder / "b").read_text() == "old"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser can mount a small disk")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        write(disk / "a", "old")
        with pytest.raises(OutputError, match="no space is left"):
            write(disk / "a", "x" * 1_000_000)
        assert (disk / "a").read_text() == "old"
        assert names(disk) == ["a"]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
