"""The other end of the fuzzers: a process that opens what it is told to, one input a line, and says how that ended.

It reads ``[door, path, is_good]`` from stdin, as JSON, and answers a line for each: ``["ok", ""]``,
``["GrdError", message]``, or ``["fault", traceback]`` for any other exception, or an error that is not one line.
A good input is opened without a limit of memory, and sets that for what follows.
"""

import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_grd.errors import GrdError

GROWTH = 2 << 30  # bytes of address space that opening a small input may take
SHAPE = (48, 64)


def image(path: Path) -> None:
    """Read an image, and its pixels where these are few."""
    from napari_grd.io.images import list_series, read_image

    list_series(path)
    found = read_image(path)
    if found.pixels.nbytes < 64 << 20:
        np.asarray(found.pixels)


def label_image(path: Path) -> None:
    """Read a label image, as training and scoring do."""
    from napari_grd.io.label_image import read_label_image

    read_label_image(path)


def model(path: Path) -> None:
    """Load a model, or a package of one."""
    from napari_grd import api

    api.load_model(path)


def teacher(path: Path) -> None:
    """Load a package of the zoo as a teacher."""
    from napari_grd import api

    api.load_teacher("bioimageio", source=path, device="cpu")


def corrections(path: Path) -> None:
    """Read a file of corrections and draw all of them."""
    from napari_grd.corrections.loading import load_corrections

    load_corrections(path)


def journal(path: Path) -> None:
    """Recover a journal; the path is the one of its file of corrections."""
    from napari_grd.corrections.image import ImageRef
    from napari_grd.corrections.journal import open_journal

    open_journal(path, ImageRef(SHAPE)).close()


def settings(path: Path) -> None:
    """Read settings."""
    from napari_grd.config import DistillConfig

    DistillConfig.from_yaml(path)


def assignment(path: Path) -> None:
    """Take a ``--set``."""
    from napari_grd.cli.settings import Settings
    from napari_grd.config import DistillConfig

    Settings(DistillConfig, None, [path.read_bytes().decode(errors="surrogateescape")], {}).build()


def small_training() -> Any:
    """Images, labels and settings of a training of two steps."""
    from napari_grd.config import NetworkConfig, TrainConfig

    rng = np.random.default_rng(0)
    labels = np.zeros((48, 48), np.int64)
    labels[4:20, 4:20], labels[24:44, 8:40] = 1, 2
    config = TrainConfig(
        network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=4), steps=2, batch=1, patch=32, device="cpu"
    )
    return [rng.random(labels.shape, np.float32) + (labels > 0)], [labels], config


def training(path: Path) -> None:
    """Go on with a training from what its folder holds."""
    from napari_grd import api

    images, labels, config = small_training()
    api.train(images, labels, config, validation=0.0, out_dir=path)


class Teacher:
    """Says where an image is bright."""

    name, gives_embeddings, fingerprint = "bright", False, "0123456789abcdef" * 2

    def predict(self, image: Any) -> Any:
        """Two objects and a foreground."""
        from napari_grd.teaching.base import TeacherPrediction

        bright = image[0] > 1
        return TeacherPrediction(
            (bright * (1 + (np.arange(48) > 22)[:, None])).astype(np.uint32), bright.astype(np.float32)
        )


def cache(path: Path) -> None:
    """Read what a teacher said from a cache, or ask anew; either way it has to be what the teacher says."""
    from napari_grd.distillation.teacher_cache import TeacherCache
    from napari_grd.jobs import drain

    images, _, _ = small_training()
    image = images[0][None]
    (found,) = drain(TeacherCache(path, Teacher()).fill([image]))  # type: ignore[arg-type]
    expected = Teacher().predict(image)
    np.testing.assert_array_equal(np.asarray(found.labels), expected.labels)
    np.testing.assert_array_equal(np.asarray(found.output[:])[-1], expected.foreground)


_ALL = (image, label_image, model, teacher, corrections, journal, settings, assignment, training, cache)
DOORS: dict[str, Callable[[Path], None]] = {door.__name__: door for door in _ALL}


def opened(door: Callable[[Path], None], path: Path) -> tuple[str, str]:
    """How opening an input ended."""
    try:
        door(path)
    except GrdError as error:
        if "\n" in str(error) or len(str(error)) > 3000:
            return "fault", f"not one line: {error}"
        return "GrdError", str(error)
    except BaseException:
        return "fault", traceback.format_exc()
    return "ok", ""


def limit_memory(growth: int | None) -> None:
    """From here on the process may take so much more."""
    status = Path("/proc/self/status")
    if status.is_file():
        import resource

        used = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmSize"))
        limit = resource.RLIM_INFINITY if growth is None else used * 1024 + growth
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def main() -> None:
    """Answer until there are no more questions."""
    warnings.simplefilter("ignore")
    answers: Any = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        door, path, is_good = json.loads(line)
        if is_good:
            limit_memory(None)
        answer = opened(DOORS[door], Path(path))
        if is_good:
            limit_memory(GROWTH)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
