"""What was accepted survives anything."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_grd.corrections import journal as module
from napari_grd.corrections import lines
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import Journal, open_journal
from napari_grd.corrections.kinds import Draw, Merge, SplitLine
from napari_grd.corrections.loading import load_corrections
from napari_grd.corrections.region import Region
from napari_grd.errors import CorrectionError, OutputError

NAME = "stack.grd-corrections.geojson"
Make = Callable[[], Corrections]


def stroke(at: int) -> Merge:
    return Merge([(at, 0), (at, 5)], plane=(0,))


def reopened(journal: Journal, image: ImageRef) -> Corrections:
    journal.close()
    with open_journal(journal.path, image) as again:
        assert again.dropped is None
        return again.copy()


def test_everything_is_found_again(image: ImageRef, one_of_each: Make, tmp_path: Path) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        for correction in one_of_each():
            assert journal.add(correction) in tuple(journal)
        journal.undo()
        journal.undo()
        journal.redo()
        assert not (tmp_path / NAME).exists()
        found = reopened(journal, image)
        assert found.entries == journal.entries
        assert found.redo() == journal.copy().redo()


def test_a_journal_is_read_like_a_file_with_the_one_beside_it(
    image: ImageRef, one_of_each: Make, tmp_path: Path
) -> None:
    made = list(one_of_each())
    with open_journal(tmp_path / NAME, image) as journal:
        for correction in made[:3]:
            journal.add(correction)
        path = journal.journal_path
        assert load_corrections(path).entries == journal.entries
        journal.compact()
        for correction in made[3:]:
            journal.add(correction)
        journal.undo()
        before = path.read_bytes()
        assert load_corrections(path, image).entries == journal.entries
    path.write_bytes(before + b'{"cut')
    assert load_corrections(path).entries == journal.entries
    assert path.read_bytes() == before + b'{"cut', "it is not changed"
    other = ImageRef((7, 7))
    with pytest.raises(CorrectionError, match=r"Line 1 of .*\.journal"):
        load_corrections(path, other)
    path.write_bytes(before + b'{"id": "no"}\n')
    with pytest.raises(CorrectionError, match=r"Line \d+ of .*\.journal"):
        load_corrections(path)
    path.write_bytes(b"")
    with pytest.raises(CorrectionError, match="has no corrections"):
        load_corrections(path)
    with pytest.raises(CorrectionError, match="cannot be read"):
        load_corrections(tmp_path / "none.grd-corrections.journal")


def test_nothing_to_undo_writes_nothing(image: ImageRef, tmp_path: Path) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        size = journal.journal_path.stat().st_size
        assert journal.undo() is None
        assert journal.redo() is None
        assert journal.journal_path.stat().st_size == size


def test_compacting_moves_everything_to_the_file(image: ImageRef, one_of_each: Make, tmp_path: Path) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        for correction in one_of_each():
            journal.add(correction)
        journal.undo()
        full = journal.journal_path.stat().st_size
        assert load_corrections(journal.compact()).entries == journal.entries
        assert journal.journal_path.stat().st_size < full / 5
        journal.redo()
        journal.add(stroke(1))
        assert reopened(journal, image).entries == journal.entries


def test_a_kill_between_file_and_journal_costs_nothing(image: ImageRef, tmp_path: Path) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        for at in range(3):
            journal.add(stroke(at))
        journal.undo()
        save_corrections(journal, journal.path)  # compacting does this, and then empties the journal
        assert reopened(journal, image).entries == journal.entries


def test_another_persons_corrections_are_merged(image: ImageRef, tmp_path: Path) -> None:
    other = Corrections(image, [SplitLine([(0, 0), (5, 5)], plane=(1,), author="Ada")])
    with open_journal(tmp_path / NAME, image) as journal:
        journal.add(stroke(1))
        journal.merge(other)
        journal.merge(other)
        assert len(journal) == 2
        assert reopened(journal, image) == journal


def test_a_large_journal_is_folded_in(image: ImageRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGE", 1000)
    with open_journal(tmp_path / NAME, image) as journal:
        for at in range(20):
            journal.add(stroke(at))
            assert journal.journal_path.stat().st_size < 2000
        assert len(reopened(journal, image)) == 20


def test_every_torn_end_is_dropped_and_said(image: ImageRef, tmp_path: Path) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        journal.add(stroke(0))
        whole = journal.journal_path.read_bytes()
        journal.add(stroke(1))
        more = journal.journal_path.read_bytes()
    for end in (len(whole) + 1, (len(whole) + len(more)) // 2, len(more) - 1):
        journal.journal_path.write_bytes(more[:end])
        with open_journal(tmp_path / NAME, image) as again:
            assert len(again) == 1
            assert again.dropped is not None
            assert "cut short" in again.dropped
            again.add(stroke(2))
            assert len(reopened(again, image)) == 2
    journal.journal_path.write_bytes(whole[:10])  # killed while the very first line was written
    with open_journal(tmp_path / NAME, image) as again:
        assert len(again) == 0
        again.add(stroke(2))
        assert len(reopened(again, image)) == 1


@pytest.mark.parametrize(
    ("number", "line", "words"),
    [
        (1, b'{"format":1,"image":{"axes":"yx","shape":[5,5]}}', "Line 1.*5 x 5"),
        (1, b'{"format":9}', "Line 1.*format is 9"),
        (2, b"{]", "Line 2 .*not JSON"),
        (2, b"7", "Line 2 .*not an object"),
        (2, b'{"changed":"2026-01-01","counts":false,"id":"?"}', "Line 2 .*no correction before it"),
        (2, b'{"feature":{"properties":{"kind":"join"}}}', "Line 2 .*'geometry'"),
    ],
)
def test_damage_elsewhere_is_named(number: int, line: bytes, words: str, image: ImageRef, tmp_path: Path) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        journal.add(stroke(0))
        journal.add(stroke(1))
    lines = journal.journal_path.read_bytes().splitlines()
    lines[number - 1] = line
    damaged = b"\n".join(lines) + b"\n"
    journal.journal_path.write_bytes(damaged)
    with pytest.raises(CorrectionError, match=words):
        open_journal(tmp_path / NAME, image)
    assert journal.journal_path.read_bytes() == damaged, "what cannot be read is left as it is"


def test_the_corrections_of_another_image_are_not_taken(image: ImageRef, tmp_path: Path) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        journal.add(stroke(0))
    with pytest.raises(CorrectionError, match="Open the image they were made on"):
        open_journal(tmp_path / NAME, ImageRef((3, 24, 32), name="other.tif"))


def test_what_cannot_be_written_is_not_accepted(
    image: ImageRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        journal.add(stroke(0))
        with monkeypatch.context() as patch:
            patch.setattr(lines.os, "write", half_then_full())
            with pytest.raises(OutputError, match=r"stack.*No space left.*Free some space"):
                journal.add(stroke(1))
        assert len(journal) == 1
        journal.add(stroke(2))
        assert reopened(journal, image).entries == journal.entries


def half_then_full() -> Callable[[int, memoryview], int]:
    write = os.write
    calls = []

    def fail(file: int, line: memoryview) -> int:
        calls.append(line)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return write(file, line[: len(line) // 2])

    return fail


def test_a_journal_that_may_be_broken_takes_no_more(
    image: ImageRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with open_journal(tmp_path / NAME, image) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(lines.os, "fsync", fail)
            with pytest.raises(OutputError, match="Input/output"):
                journal.add(stroke(0))
        with pytest.raises(OutputError, match=r"closed.*Open it again"):
            journal.add(stroke(1))
        assert len(journal) == 0


def test_compacting_onto_a_full_disk_loses_nothing(
    image: ImageRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        journal.add(stroke(0))
        with monkeypatch.context() as patch:
            patch.setattr(lines.os, "write", half_then_full())
            with pytest.raises(OutputError, match="No space left"):
                journal.compact()
        with pytest.raises(OutputError, match="closed"):
            journal.add(stroke(1))  # a journal without its first line could not be read
        assert len(reopened(journal, image)) == 1


def test_one_program_at_a_time(image: ImageRef, tmp_path: Path) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        with pytest.raises(OutputError, match=r"open in another window.*Close"):
            open_journal(tmp_path / NAME, image)
        journal.add(stroke(0))
    with open_journal(tmp_path / NAME, image) as again:
        assert len(again) == 1


def test_a_missing_folder_is_named(image: ImageRef, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere.*cannot be written"):
        open_journal(tmp_path / "nowhere" / NAME, image)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_killed_process_loses_nothing_it_accepted(image: ImageRef, tmp_path: Path) -> None:
    code = (
        "import itertools, sys\n"
        "from napari_grd.corrections.image import ImageRef\n"
        "from napari_grd.corrections.journal import open_journal\n"
        "from napari_grd.corrections.kinds import Draw\n"
        "from napari_grd.corrections.region import Region\n"
        f"image = {image!r}\n"
        "with open_journal(sys.argv[1], image) as journal:\n"
        "    for count in itertools.count():\n"
        "        step = count % 7\n"
        "        if step == 4: journal.undo()\n"
        "        elif step == 5: journal.redo()\n"
        "        elif step == 6: journal.compact()\n"
        "        else:\n"
        "            made = journal.add(Draw(Region([(count % 24, 0, 5)]), plane=(step % 3,)))\n"
        "            print('accepted', made.id, flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / NAME)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        heard = [writer.stdout.readline().split()[1] for _ in range(40)]
        writer.kill()  # wherever it is by now: writing a line, the file, or emptying the journal
        heard += [line.split()[1] for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL
    with open_journal(tmp_path / NAME, image) as journal:
        known = [entry.correction.id for entry in journal.entries]
        assert set(heard) <= set(known)
        assert len(known) <= len(heard) + 1, "one may have been written that nobody heard of"
        journal.add(Draw(Region([(0, 0, 1)]), plane=(0,)))


def test_a_line_is_one_line_of_json(image: ImageRef, tmp_path: Path) -> None:
    with open_journal(tmp_path / NAME, image) as journal:
        journal.add(Draw(Region([(0, 0, 1)]), plane=(0,), author="two\nlines\r\u2028"))
        journal.undo()
        lines = journal.journal_path.read_text(encoding="utf-8").split("\n")
    assert [set(json.loads(line)) for line in lines[:-1]] == [
        {"format", "image"},
        {"changed", "feature"},
        {"changed", "counts", "id"},
    ]
