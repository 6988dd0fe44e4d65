"""The demonstration: everything on simulated nuclei, without network, display or GPU."""

from pathlib import Path

import numpy as np

from napari_grd.config import DistillConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.jobs import Job, Stopwatch
from napari_grd.study.recipe import demo_config
from napari_grd.study.run import Study, StudyImages, iter_study

_SIDE = 256


def iter_demo(out: str | Path, config: DistillConfig | None = None, *, quick: bool = False) -> Job[Study]:
    """Run the demonstration, as a job.

    Parameters
    ----------
    out : path
        Folder for models, table and figure, made if missing.
    config : DistillConfig, optional
        Default: :func:`demo_config`.
    quick : bool, default False
        Whether to make do with fewer and smaller images.
    """
    data = yield from _simulate(quick)
    return (yield from iter_study(data, config or demo_config(quick=quick), out))


def _simulate(quick: bool) -> Job[StudyImages]:
    side = 128 if quick else _SIDE
    train, held, test = (4, 1, 2) if quick else (16, 2, 8)
    rng = np.random.default_rng(0)
    watch = Stopwatch("Simulating nuclei", train + held + test)
    images, labels = [], []
    for done in range(watch.total):
        yield watch.progress(done)
        image, found = nuclei_2d(rng, (side, side))
        images.append(image)
        labels.append(found)
    yield watch.progress(watch.total)
    return StudyImages(
        images[:train],
        labels[:train],
        images[-test:],
        labels[-test:],
        validation=(images[train:-test], labels[train:-test]),
        axes="yx",
    )
