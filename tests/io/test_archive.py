"""Zips and folders from strangers: what is wrong is named, and nothing is written before."""

import hashlib
import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_grd.errors import ModelFileError
from napari_grd.io.archive import Limits, open_archive

Pack = Callable[[zipfile.ZipFile], None]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders would be made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def packed(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def refused(path: Path, elsewhere: Path, match: str, limits: Limits | None = None) -> None:
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(ModelFileError, match=match), open_archive(path, limits):
        pytest.fail("it was opened")
    assert sorted(path.parent.rglob("*")) == before
    assert not list(elsewhere.iterdir())


def test_a_zip_is_unpacked_into_a_private_folder_that_is_removed(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", ("rdf.yaml", b"a: 1"), ("deep/", b""), ("deep/b.bin", bytes(9)))
    with open_archive(path) as archive:
        assert archive.hashes == {
            "rdf.yaml": hashlib.sha256(b"a: 1").hexdigest(),
            "deep/b.bin": hashlib.sha256(bytes(9)).hexdigest(),
        }
        assert archive.read("rdf.yaml") == b"a: 1"
        assert not list(elsewhere.iterdir())  # so far only looked at
        with archive.unpacked() as folder:
            assert folder.parent == elsewhere
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert (folder / "deep" / "b.bin").read_bytes() == bytes(9)
        assert not folder.exists()
        with archive.unpacked(["rdf.yaml"]) as folder:
            assert [path.name for path in folder.iterdir()] == ["rdf.yaml"]


def test_a_folder_is_an_archive_too(tmp_path: Path, elsewhere: Path) -> None:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a").write_bytes(b"1")
    with open_archive(folder) as archive:
        assert list(archive.hashes) == ["deep/a"]
        (folder / "deep" / "a").write_bytes(b"2")
        with pytest.raises(ModelFileError, match=r"'deep/a'.*changed while it was read"), archive.unpacked():
            pass
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("../evil.txt", "leads out"),
        ("a/../../evil.txt", "leads out"),
        ("/etc/evil.txt", "leads out"),
        ("//server/share/evil.txt", "leads out"),
        ("./evil.txt", "leads out"),
        ("C:/evil.txt", "not valid on every system"),
        ("C:evil.txt", "not valid on every system"),
        ("..\\evil.txt", "not valid on every system"),
        ("evil.txt:stream", "not valid on every system"),
        ("evil\n.txt", "not valid on every system"),
        ("evil.txt ", "not valid on every system"),
        ("evil\u202etxt", "not valid on every system"),
        ("e" * 256, "not valid on every system"),
        ("nul.txt", "device"),
        ("/".join("abcdefgh" * 5), "too deep"),
    ],
)
def test_names_that_lead_elsewhere(tmp_path: Path, elsewhere: Path, name: str, match: str) -> None:
    path = packed(tmp_path / "a.zip", ("rdf.yaml", b""), (name, b"evil"))
    refused(path, elsewhere, f"(?s)The entry .*{match}.*Ask for another copy")


def test_a_name_with_a_hidden_end(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", ("rdf.yaml#.txt", b""))
    path.write_bytes(path.read_bytes().replace(b"rdf.yaml#.txt", b"rdf.yaml\0.txt"))
    refused(path, elsewhere, "not valid on every system")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("rdf.yaml", "rdf.yaml"),
        ("rdf.yaml", "RDF.yaml"),
        ("caf\u00e9", "cafe\u0301"),
        ("stra\u00dfe", "STRASSE"),
        ("a", "A/b"),
        ("a/b", "A"),
        ("a/", "a"),
    ],
)
def test_names_that_are_one_on_some_system(tmp_path: Path, elsewhere: Path, first: str, second: str) -> None:
    path = packed(tmp_path / "a.zip", (first, b""), (second, b""))
    refused(path, elsewhere, "name of another entry")


@pytest.mark.parametrize(("kind", "match"), [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "not a plain file")])
def test_links_and_devices(tmp_path: Path, elsewhere: Path, kind: int, match: str) -> None:
    info = zipfile.ZipInfo("weights.pt")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    refused(packed(tmp_path / "a.zip", (info, b"/etc/passwd")), elsewhere, f"'weights.pt'.*{match}")


def test_links_and_devices_in_a_folder(tmp_path: Path, elsewhere: Path) -> None:
    for name, match in (("link", "is a link"), ("pipe", "not a plain file"), ("loop", "is a link")):
        folder = tmp_path / f"with {name}"
        folder.mkdir()
        if name == "pipe":
            os.mkfifo(folder / name)
        else:
            (folder / name).symlink_to("/etc/passwd" if name == "link" else folder)
        refused(folder, elsewhere, f"'{name}'.*{match}")


def test_an_encrypted_zip(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", ("a", b"secret"))
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refused(path, elsewhere, "'a'.*encrypted")


def test_an_unusual_method(tmp_path: Path, elsewhere: Path) -> None:
    refused(packed(tmp_path / "a.zip", ("a", b"1"), method=zipfile.ZIP_LZMA), elsewhere, "'a'.*method 14.*deflate")


def test_a_bomb_that_says_so(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", ("zeros", bytes(65 << 20)))
    assert path.stat().st_size < 100_000
    refused(path, elsewhere, "a.zip.*would unpack from .* bytes, as a zip bomb")


def test_many_bytes_in_proportion(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", ("noise", os.urandom(2000)), ("more", os.urandom(2000)))
    refused(path, elsewhere, "would unpack from .* to 4000 bytes", Limits(total=3000))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "noise").write_bytes(bytes(4000))
    refused(folder, elsewhere, "to 4000 bytes", Limits(total=3000))


def test_a_bomb_that_lies_about_its_size(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", ("zeros", bytes(1 << 20)))
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # in front of the entry and in the list
        at = content.index(mark) + place
        content[at : at + 4] = struct.pack("<I", 10)
    path.write_bytes(content)
    refused(path, elsewhere, "'zeros'.*damaged")  # zipfile stops at 10 bytes, whose checksum is wrong


def test_entries_that_share_their_bytes(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", ("a" * 8, os.urandom(500)), ("b" * 8, b"1"))
    content = path.read_bytes()
    first, second = (content.index(b"PK\x01\x02" + b"") for _ in range(2))
    second = content.index(b"PK\x01\x02", first + 4)
    entry = content[first : first + 46] + b"b" * 8  # the second name for the bytes of the first
    path.write_bytes(content[:second] + entry + content[second + len(entry) :])
    refused(path, elsewhere, "overlap|File name in directory|damaged")


def test_too_many_entries(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", *((str(number), b"") for number in range(30)))
    refused(path, elsewhere, "lists 30 entries", Limits(entries=20))
    refused(path, elsewhere, "in .* bytes; at most", Limits(directory=100))
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(30):
        (folder / str(number)).touch()
    refused(folder, elsewhere, "more than 20 entries", Limits(entries=20))


def test_a_large_zip_announces_its_entries_elsewhere(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", ("a", b"1"))
    content = path.read_bytes()
    end = content.rindex(b"PK\x05\x06")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**6, 10**6, 10**8, 0)
    path.write_bytes(content[:end] + record + struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1) + content[end:])
    refused(path, elsewhere, "lists 1000000 entries in 100000000 bytes")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip(tmp_path: Path, elsewhere: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", elsewhere, "not a zip file.*Download or copy it again")


def test_damaged_content(tmp_path: Path, elsewhere: Path) -> None:
    path = packed(tmp_path / "a.zip", ("a", b"content" * 50), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"content", b"CONTENT", 1))
    refused(path, elsewhere, "'a'.*damaged.*Download it again")
    path.write_bytes(path.read_bytes()[:-60])
    refused(path, elsewhere, "not a zip file")


def test_a_missing_file(tmp_path: Path, elsewhere: Path) -> None:
    refused(tmp_path / "none.zip", elsewhere, "no file or folder.*none.zip.*Check the path")


def test_hashes_that_are_not_as_declared(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", ("a", b"1"))
    good = hashlib.sha256(b"1").hexdigest()
    with open_archive(path) as archive:
        archive.check_hashes({"a": good.upper(), "not there": "0" * 64})
        with pytest.raises(ModelFileError, match=r"'a'.*begins with 6b86b273ff34, declared is '000000000000'.*again"):
            archive.check_hashes({"a": "0" * 64})


def test_reading_what_is_missing_or_large(tmp_path: Path) -> None:
    with open_archive(packed(tmp_path / "a.zip", ("a", bytes(100)))) as archive:
        with pytest.raises(ModelFileError, match="contains no file 'b'"):
            archive.read("b")
        with pytest.raises(ModelFileError, match=r"'a'.*larger than 99 bytes"):
            archive.read("a", limit=99)


def test_archives_inside_stay_closed(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../evil", bytes(1 << 20))
    path = packed(tmp_path / "a.zip", ("inner.zip", inner.getvalue()))
    with open_archive(path) as archive, archive.unpacked() as folder:
        assert [path.name for path in folder.rglob("*")] == ["inner.zip"]
