"""What a teacher said is read as it was written or asked again, never as zeros; pruning touches nothing of others."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_grd.config import DistillConfig, NetworkConfig
from napari_grd.data.fingerprint import image_key
from napari_grd.data.simulate import nuclei_2d
from napari_grd.distillation import cache_entry
from napari_grd.distillation.recipes import iter_distill
from napari_grd.distillation.teacher_cache import TeacherCache, in_use, prune
from napari_grd.errors import DataError, OutputError
from napari_grd.io.lock import users
from napari_grd.io.places import default_cache_folder
from napari_grd.io.writer import USE, own_name, this_process
from napari_grd.jobs import Progress, drain
from napari_grd.teaching.base import TeacherPrediction

TEACHER = "0123456789abcdef0123456789abcdef"


class CountingTeacher:
    """Says little: most chunks of its answers are zeros."""

    name = "counting"
    gives_embeddings = True
    fingerprint = TEACHER

    def __init__(self) -> None:
        self.asked = 0

    def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
        self.asked += 1
        labels = np.zeros(image.shape[1:], np.uint32)
        labels[2:9, 2:9] = 3
        embeddings = np.zeros((2, *labels.shape), np.float32)
        embeddings[:, labels > 0] = 1
        return TeacherPrediction(labels, (labels > 0).astype(np.float32), embeddings, confidence=np.ones(labels.shape))


@pytest.fixture
def image() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).random((1, 150, 140)).astype(np.float32)


def ask(folder: Path, image: np.ndarray[Any, Any]) -> tuple[int, Any]:
    teacher = CountingTeacher()
    (kept,) = drain(TeacherCache(folder, teacher).fill([image]))
    expected = CountingTeacher().predict(image)
    np.testing.assert_array_equal(kept.labels, expected.labels)
    np.testing.assert_array_equal(kept.output[:2], expected.embeddings)
    np.testing.assert_array_equal(kept.confidence, expected.confidence)
    return teacher.asked, kept


def entry_of(folder: Path, image: np.ndarray[Any, Any], suffix: str = ".kept") -> Path:
    return folder / TEACHER / f"{image_key(image)}{suffix}"


def make_older(folder: Path, image: np.ndarray[Any, Any], *, zeros: bool) -> Path:
    """An entry as it was written before there were manifests, with or without its chunks of zeros."""
    ask(folder, image)
    entry = entry_of(folder, image)
    (entry / cache_entry.MANIFEST).unlink()
    for path in entry.rglob("c/**/*"):
        if not zeros and path.is_file() and not any(path.read_bytes()):
            path.unlink()
    return entry.rename(entry_of(folder, image, ""))


def files_of(entry: Path) -> list[str]:
    return sorted(path.relative_to(entry).as_posix() for path in entry.rglob("*") if path.is_file())


def test_every_chunk_is_written_and_listed(tmp_path: Path, image: Any) -> None:
    ask(tmp_path, image)
    entry = entry_of(tmp_path, image)
    assert sum("/c/" in name for name in files_of(entry)) == 12
    listed = cache_entry.read_manifest(entry)
    assert listed is not None
    assert sorted(listed) == [name for name in files_of(entry) if name != cache_entry.MANIFEST]


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "flipped": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_damaged_is_asked_again(tmp_path: Path, image: Any, damage: str) -> None:
    ask(tmp_path, image)
    entry = entry_of(tmp_path, image)
    for name in files_of(entry):
        if name in (cache_entry.MANIFEST, *(FIRST_OF_OUTPUT if damage == "flipped" else ())):
            continue
        DAMAGES[damage](entry / name)
        assert ask(tmp_path, image)[0] == 1, name
        assert ask(tmp_path, image)[0] == 0, name
    DAMAGES[damage](entry / cache_entry.MANIFEST)  # it is not known whose that is now
    before = files_of(entry)
    assert ask(tmp_path, image)[0] == 1
    assert ask(tmp_path, image)[0] == 0
    assert files_of(entry) == before


FIRST_OF_OUTPUT = [f"output/c/0/{y}/{x}" for y in (0, 1) for x in (0, 1)]


@pytest.mark.parametrize("name", FIRST_OF_OUTPUT)
def test_changed_values_are_found_when_they_are_read_and_asked_again_by_the_next_run(
    tmp_path: Path, image: Any, name: str
) -> None:
    ask(tmp_path, image)
    entry = entry_of(tmp_path, image)
    DAMAGES["flipped"](entry / name)
    with pytest.raises(DataError, match=f"{entry.name}.*{name} has changed"):
        ask(tmp_path, image)
    assert ask(tmp_path, image)[0] == 1
    assert ask(tmp_path, image)[0] == 0


@pytest.mark.parametrize("loss", ["chunk", "entry", "flipped"])
@pytest.mark.parametrize("pickled", [False, True])
def test_what_is_lost_while_it_is_used_is_an_error(tmp_path: Path, image: Any, loss: str, pickled: bool) -> None:
    drain(TeacherCache(tmp_path, CountingTeacher()).fill([image]))
    (kept,) = drain(TeacherCache(tmp_path, CountingTeacher()).fill([image]))
    output = pickle.loads(pickle.dumps(kept.output)) if pickled else kept.output
    entry = entry_of(tmp_path, image)
    chunk = entry / "output" / "c" / "0" / "1" / "1"
    if loss == "chunk":
        chunk.unlink()
    elif loss == "flipped":
        chunk.write_bytes(b"\x01" + chunk.read_bytes()[1:])
    else:
        shutil.rmtree(entry)
    with pytest.raises(DataError, match=r"damaged: output/c/0/1/1.*predicted again"):
        output[:, 130:, 130:]
    if loss != "entry":
        output[:, :20, :20]
    assert ask(tmp_path, image)[0] == 1


def test_older_entries_count_if_they_are_whole(tmp_path: Path, image: Any) -> None:
    for zeros in (True, False):
        folder = tmp_path / str(zeros)
        older = make_older(folder, image, zeros=zeros)
        before = files_of(older)
        assert ask(folder, image)[0] == (0 if zeros else 1)
        prune(folder, 0)
        assert files_of(older) == before  # in a chosen folder, nobody knows whose it is
        assert not entry_of(folder, image).exists()


def test_older_entries_of_the_default_folder_are_adopted(
    tmp_path: Path, image: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    folder = default_cache_folder()
    if tmp_path not in folder.parents:
        pytest.skip("this system's cache folder cannot be moved")
    older = make_older(folder, image, zeros=True)
    strangers = [
        folder / "int8" / "model.xml",
        folder / "thesis" / "plate1" / "image.tif",
        folder / "x" / "y" / "zarr.json",
    ]
    for stranger in strangers:
        stranger.parent.mkdir(parents=True)
        stranger.write_text("{}")
    assert ask(folder, image)[0] == 0
    prune(folder, 0)
    assert not older.exists()
    assert all(stranger.exists() for stranger in strangers)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_pruning_touches_nothing_of_others(tmp_path: Path, image: Any) -> None:
    documents = tmp_path / "Documents"
    things = [
        "thesis/plate1/image.tif", "note.txt", f"{TEACHER}/mine.txt", f"{TEACHER}/my folder/a.tif", "a/b/zarr.json",
        f"a/{'0' * 32}.kept/grd-cache-entry.json", f"{'1' * 32}/{'2' * 32}/zarr.json", "deep/er/and/deeper",
    ]  # fmt: skip
    for name in things:
        (documents / name).parent.mkdir(parents=True, exist_ok=True)
        (documents / name).write_text("{}")
    (documents / "empty" / "folders").mkdir(parents=True)
    outside = tmp_path / "outside"
    ask(outside, image)  # a whole cache elsewhere, that links lead to
    (documents / "link").symlink_to(outside / TEACHER)
    (documents / TEACHER / "linked.kept").symlink_to(entry_of(outside, image))
    before = snapshot(documents), snapshot(outside)
    ask(documents, image)
    entry = entry_of(documents, image)
    assert entry.exists()
    shutil.copy(entry / cache_entry.MANIFEST, documents / "thesis" / "plate1")  # a manifest that tells of another place
    before[0][f"thesis/plate1/{cache_entry.MANIFEST}"] = (entry / cache_entry.MANIFEST).read_bytes()
    prune(documents, 0)
    assert (snapshot(documents), snapshot(outside)) == before


def test_pruning_leaves_what_somebody_put_into_an_entry(tmp_path: Path, image: Any) -> None:
    ask(tmp_path, image)
    entry = entry_of(tmp_path, image)
    (entry / "output" / "notes.txt").write_text("mine")
    prune(tmp_path, 0)
    assert files_of(entry) == ["output/notes.txt"]
    assert ask(tmp_path, image)[0] == 1
    assert ask(tmp_path, image)[0] == 0
    for number in ("-2", "-3", "-4"):
        entry_of(tmp_path, image, f"{number}.kept").mkdir(exist_ok=True)
        (entry_of(tmp_path, image, f"{number}.kept") / cache_entry.MANIFEST).unlink(missing_ok=True)
    with pytest.raises(OutputError, match=r"blocks a cache entry.*Move it away"):
        ask(tmp_path, image)
    assert files_of(entry) == ["output/notes.txt"]


@pytest.mark.parametrize(
    "name", ["../../thesis.txt", "/etc/hostname", "output/../../../thesis.txt", "link/thesis.txt", ""]
)
def test_a_manifest_lists_nothing_outside_its_entry(tmp_path: Path, image: Any, name: str) -> None:
    ask(tmp_path, image)
    entry = entry_of(tmp_path, image)
    (tmp_path / "thesis.txt").write_text("mine")
    (entry / "link").symlink_to(tmp_path)
    manifest = entry / cache_entry.MANIFEST
    manifest.write_text(manifest.read_text().replace('"zarr.json"', f'"{name}"', 1))
    prune(tmp_path, 0)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_what_is_in_use_stays(tmp_path: Path, image: Any) -> None:
    ask(tmp_path, image)
    with in_use(tmp_path, CountingTeacher()):
        assert len(users(tmp_path / TEACHER)) == 1
        assert prune(tmp_path, 0) == []
        assert ask(tmp_path, image)[0] == 0
    assert users(tmp_path / TEACHER) == []
    mine = this_process()
    ended = own_name(USE).replace(f"-{mine.pid}-", "-4000000000-")
    elsewhere = ended.replace(mine.host, "0" * 8)
    (tmp_path / TEACHER / ended).touch()
    (tmp_path / TEACHER / elsewhere).touch()
    assert prune(tmp_path, 0) == []  # it gave a sign of life just now
    os.utime(tmp_path / TEACHER / elsewhere, (1000, 1000))
    (sentence,) = prune(tmp_path, 0)
    assert "is not pruned" in sentence
    assert ask(tmp_path, image)[0] == 0
    (tmp_path / TEACHER / elsewhere).unlink()
    prune(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("loss", ["chunks", "cache"])
def test_what_is_lost_during_a_distillation_ends_it_and_is_asked_again_by_the_next(tmp_path: Path, loss: str) -> None:
    config = DistillConfig(
        network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=2), steps=6, batch=2, patch=48, device="cpu"
    )
    images = [nuclei_2d(np.random.default_rng(seed), (64, 64))[0] for seed in range(2)]

    def distill(teacher: CountingTeacher) -> Any:
        return iter_distill(
            teacher, images, config=config, validation=0.0, out_dir=tmp_path / "out", cache_dir=tmp_path / "cache"
        )

    job = distill(CountingTeacher())
    for event in job:
        if isinstance(event, Progress) and event.stage == "Distilling" and event.done == 2:
            break
    if loss == "chunks":
        for chunk in (tmp_path / "cache").rglob("output/c/*/*/*"):
            chunk.unlink()
    else:
        prune(tmp_path / "cache", 0)
        assert len(list((tmp_path / "cache").rglob(cache_entry.MANIFEST))) == 2  # it is in use
        shutil.rmtree(tmp_path / "cache")
    with pytest.raises(DataError, match=f"{TEACHER}.*damaged: output/c/0/0/0 is missing"):
        list(job)
    teacher = CountingTeacher()
    drain(distill(teacher))
    assert teacher.asked == 2
    assert users(tmp_path / "cache" / TEACHER) == []


@pytest.mark.parametrize("older", [False, True])
def test_mutated_entries_are_asked_again_or_said(tmp_path: Path, image: Any, older: bool, hostile_long: bool) -> None:
    rng = np.random.default_rng(int(older))
    for number in range(500 if hostile_long else 8):
        folder = tmp_path / str(number)
        if older:  # of the values of these nothing is known, so only what describes them is changed
            entry = make_older(folder, image, zeros=True)
            names = [name for name in files_of(entry) if name.endswith(".json")]
        else:
            ask(folder, image)
            entry = entry_of(folder, image)
            names = files_of(entry)
        path = entry / names[rng.integers(len(names))]
        content = bytearray(path.read_bytes())
        at = int(rng.integers(len(content)))
        match rng.integers(4):
            case 0:
                content[at] ^= int(rng.integers(1, 256))
            case 1:
                del content[at : at + int(rng.integers(1, 40))]
            case 2:
                content[at:at] = rng.bytes(int(rng.integers(1, 40)))
            case _:
                content = bytearray(rng.bytes(int(rng.integers(0, 60))))
        path.write_bytes(content)
        for _ in range(2):
            teacher = CountingTeacher()
            try:
                (kept,) = drain(TeacherCache(folder, teacher).fill([image]))
                found = kept.output[...]
            except DataError as error:
                assert "\n" not in str(error)  # noqa: PT017
                continue
            if not older or teacher.asked:
                expected = CountingTeacher().predict(image)
                np.testing.assert_array_equal(kept.labels, expected.labels)
                np.testing.assert_array_equal(found[:2], expected.embeddings)
        if not older:
            assert ask(folder, image)[0] <= 1
        shutil.rmtree(folder)
