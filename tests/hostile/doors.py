"""The other end of the fuzzers: a process that opens what it is told to, one input a line, and says how that ended.

``python doors.py DOOR`` reads paths from stdin. It answers a line of JSON for each: ``["ok", ""]``,
``["GrdError", message]``, or ``["fault", traceback]`` for any other exception, or an error that is not one line.
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
    from napari_grd.corrections.files import load_corrections

    load_corrections(path)


def journal(path: Path) -> None:
    """Recover a journal; the path is the one of its file of corrections."""
    from napari_grd.corrections import ImageRef
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


DOORS: dict[str, Callable[[Path], None]] = {
    door.__name__: door for door in (image, label_image, model, teacher, corrections, journal, settings, assignment)
}


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


def limit_memory() -> None:
    """From here on the process may take so much more."""
    status = Path("/proc/self/status")
    if status.is_file():
        import resource

        used = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmSize"))
        resource.setrlimit(resource.RLIMIT_AS, (used * 1024 + GROWTH, resource.RLIM_INFINITY))


def main() -> None:
    """Answer until there are no more questions; the first one is about a good input, which loads what is needed."""
    warnings.simplefilter("ignore")
    door = DOORS[sys.argv[1]]
    answers: Any = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for number, line in enumerate(sys.stdin):
        answer = opened(door, Path(json.loads(line)))
        if number == 0:
            limit_memory()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
