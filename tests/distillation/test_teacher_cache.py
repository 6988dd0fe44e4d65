"""Every image is asked once, by content; what was interrupted goes on."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_grd.data.dataset import TeacherLayout
from napari_grd.data.fingerprint import image_key
from napari_grd.distillation.teacher_cache import TeacherCache, prune
from napari_grd.errors import ImageError, LabelError, OutputError
from napari_grd.jobs import Progress, drain
from napari_grd.teaching.base import TeacherPrediction


class CountingTeacher:
    """Answers with the image itself."""

    name = "counting"
    gives_embeddings = True

    def __init__(self, fingerprint: str = "abc", scale: float = 1.0, embeddings: bool = True) -> None:
        self.fingerprint = fingerprint
        self.asked = 0
        self._scale = scale
        self._embeddings = embeddings

    def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
        self.asked += 1
        labels = (image[0] > 0.5).astype(np.uint32)
        if not self._embeddings:
            return TeacherPrediction(labels)
        embeddings = np.repeat(image, 3, axis=0).astype(np.float32) * self._scale
        return TeacherPrediction(labels, image[0].astype(np.float32), embeddings)


@pytest.fixture
def images() -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [rng.random((1, 40 + i, 50)).astype(np.float32) for i in range(4)]


def test_asked_once_and_kept_as_float16(tmp_path: Path, images: Any) -> None:
    teacher = CountingTeacher()
    events: list[Any] = []
    found = drain(TeacherCache(tmp_path, teacher).fill(images), events.append)
    assert teacher.asked == 4
    assert [e.done for e in events if isinstance(e, Progress)] == [0, 1, 2, 3, 4]
    for image, prediction in zip(images, found, strict=True):
        assert prediction.output.dtype == np.float16
        assert prediction.layout == TeacherLayout(embedding=3, foreground=True)
        np.testing.assert_allclose(prediction.output[:3], np.repeat(image, 3, axis=0), atol=1e-3)
        np.testing.assert_allclose(prediction.output[3], image[0], atol=1e-3)
        np.testing.assert_array_equal(prediction.labels, image[0] > 0.5)
    again = CountingTeacher()
    drain(TeacherCache(tmp_path, again).fill(images[::-1]))
    assert again.asked == 0


def test_interrupted_caching_goes_on(tmp_path: Path, images: Any) -> None:
    teacher = CountingTeacher()
    job = TeacherCache(tmp_path, teacher).fill(images)
    for event in job:
        if isinstance(event, Progress) and event.done == 2:
            break
    job.close()
    drain(TeacherCache(tmp_path, teacher).fill(images))
    assert teacher.asked == 4


def test_an_entry_half_written_does_not_count(tmp_path: Path, images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OutputError, match=r"no space is left"):
        drain(TeacherCache(tmp_path, CountingTeacher()).fill(images[:1]))
    monkeypatch.undo()
    assert list((tmp_path / "abc").iterdir()) == []
    teacher = CountingTeacher()
    drain(TeacherCache(tmp_path, teacher).fill(images[:1]))
    assert teacher.asked == 1


def test_another_process_may_be_faster(tmp_path: Path, images: Any) -> None:
    class Slow(CountingTeacher):
        def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
            drain(TeacherCache(tmp_path, CountingTeacher()).fill([image]))
            return super().predict(image)

    (prediction,) = drain(TeacherCache(tmp_path, Slow()).fill(images[:1]))
    assert prediction.output is not None
    assert [path.name for path in (tmp_path / "abc").iterdir() if path.name.startswith(".")] == []


def test_another_teacher_has_its_own_entries(tmp_path: Path, images: Any) -> None:
    drain(TeacherCache(tmp_path, CountingTeacher()).fill(images[:1]))
    other = CountingTeacher("def")
    drain(TeacherCache(tmp_path, other).fill(images[:1]))
    assert other.asked == 1


def test_a_teacher_of_labels_only(tmp_path: Path, images: Any) -> None:
    (prediction,) = drain(TeacherCache(tmp_path, CountingTeacher(embeddings=False)).fill(images[:1]))
    assert prediction.output is None
    assert prediction.layout is None


def test_embeddings_beyond_float16_are_refused(tmp_path: Path, images: Any) -> None:
    with pytest.raises(ImageError, match="beyond the range of float16"):
        drain(TeacherCache(tmp_path, CountingTeacher(scale=1e6)).fill(images))


def used_last(entry: Path, when: int) -> None:
    os.utime(entry / "grd-cache-entry.json", (when, when))


def test_pruning_keeps_what_was_used_last(tmp_path: Path, images: Any) -> None:
    cache = TeacherCache(tmp_path, CountingTeacher())
    drain(cache.fill(images[:3]))
    entries = [tmp_path / "abc" / f"{image_key(image)}.kept" for image in images[:3]]
    for age, entry in enumerate(entries):
        used_last(entry, 1000 + age)
    drain(cache.fill(images[:1]))  # made first, used last
    size = sum(path.stat().st_size for path in entries[0].rglob("*") if path.is_file())
    assert prune(tmp_path, int(2.5 * size)) == []
    assert sorted(path.name for path in tmp_path.glob("*/*")) == sorted([entries[0].name, entries[2].name])
    assert prune(tmp_path / "missing", 0) == []
    prune(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


class SoftTeacher(CountingTeacher):
    """Gives no embeddings; affinities only of images that are higher than 40."""

    gives_embeddings = False

    def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
        self.asked += 1
        labels = (image[0] > 0.5).astype(np.uint32)
        affinities = np.repeat(image, 10, axis=0) if len(labels) > 40 else None
        return TeacherPrediction(labels, image[0], affinities=affinities, confidence=image[0])


def test_soft_outputs_are_kept(tmp_path: Path, images: Any) -> None:
    first, second, *_ = drain(TeacherCache(tmp_path, SoftTeacher()).fill(images))
    assert first.layout == second.layout == TeacherLayout(affinities=10, foreground=True)
    assert np.isnan(first.output[:10]).all()
    np.testing.assert_allclose(second.output[:10], np.repeat(images[1], 10, axis=0), atol=1e-3)
    for image, found in zip(images, (first, second), strict=False):
        np.testing.assert_allclose(found.output[10], image[0], atol=1e-3)
        np.testing.assert_allclose(found.confidence, image[0], atol=1e-3)


def test_entries_of_the_older_make(tmp_path: Path, images: Any) -> None:
    """Embeddings are read as they are; a teacher without them is asked again, for what was not kept then."""
    for teacher, again in ((CountingTeacher(), 0), (SoftTeacher("def"), 4)):
        cache = TeacherCache(tmp_path, teacher)
        before = drain(cache.fill(images))
        for entry in list((tmp_path / teacher.fingerprint).iterdir()):
            del zarr.open_group(entry).attrs["affinity_channels"]
            (entry / "grd-cache-entry.json").unlink()
            entry.rename(entry.with_suffix(""))
        asked = teacher.asked
        found = drain(cache.fill(images))
        assert teacher.asked - asked == again
        assert [p.layout for p in found] == [p.layout for p in before]


def test_output_of_another_shape_is_refused(tmp_path: Path, images: Any) -> None:
    class Cropping(CountingTeacher):
        def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
            return super().predict(image[:, 1:])

    with pytest.raises(LabelError, match=r"shape \(39, 50\), the image \(40, 50\)"):
        drain(TeacherCache(tmp_path, Cropping()).fill(images))
