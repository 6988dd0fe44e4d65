"""The demonstration: everything on simulated nuclei, without network, display or GPU."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import napari_grd.api as grd
from napari_grd.config import DistillConfig
from napari_grd.data.kinds import CULTURE, NUCLEI
from napari_grd.data.simulate import UInt16, nuclei_2d
from napari_grd.demo.recipe import demo_config
from napari_grd.demo.run import Experiment, ExperimentImages, iter_experiment
from napari_grd.hub import TEACHER
from napari_grd.jobs import Job, Stopwatch

LABELED_KIND = "culture"
"""The kind of nuclei that has labels; the other images are of all kinds."""


@dataclass(frozen=True)
class DemoSize:
    """Number and size of the simulated images.

    Attributes
    ----------
    side : int
        Side of unlabeled and test images in pixels.
    labeled_side : int
        Side of the labeled images: crops, five of which a person annotates in half an hour.
    labeled, unlabeled : int
        Number of training images: of :data:`LABELED_KIND`, and of all kinds in turn.
    each : int
        Number of test images of each kind.
    """

    side: int = 256
    labeled_side: int = 128
    labeled: int = 5
    unlabeled: int = 40
    each: int = 2


FULL = DemoSize()
QUICK = DemoSize(side=96, labeled_side=96, labeled=2, unlabeled=3, each=1)


def iter_demo(out: str | Path, config: DistillConfig | None = None, *, quick: bool = False) -> Job[Experiment]:
    """Run the demonstration, as a job.

    The built-in teacher is distilled into a student, which is compared with it
    and with a student of the labels alone, on images of all kinds. Only one kind has labels: in practice, annotators
    label the first images and not those of every later day, stain and microscope.

    Parameters
    ----------
    out : path
        Folder for models, table and figure, made if missing.
    config : DistillConfig, optional
        Default: :func:`~napari_grd.demo.recipe.demo_config`. Its seed draws the images too.
    quick : bool, default False
        Whether to use fewer and smaller images.
    """
    config = config or demo_config(quick=quick)
    data = yield from iter_simulate(config.seed, QUICK if quick else FULL)
    return (yield from iter_experiment(data, config, out, teacher=grd.load_model(TEACHER)))


def iter_simulate(seed: int, size: DemoSize) -> Job[ExperimentImages]:
    """Simulate the training and test images of the demonstration, as a job.

    Parameters
    ----------
    seed : int
        Seed of the simulation.
    size : DemoSize
        Number and size of the images.

    Returns
    -------
    ExperimentImages
        Without validation images: the last weights are used. One image is empty.
    """
    shape, kinds = (size.side, size.side), list(NUCLEI.values())
    cutout = (size.labeled_side, size.labeled_side)
    labeled = [NUCLEI[LABELED_KIND]] * size.labeled
    unlabeled = [kinds[i % len(kinds)] for i in range(size.unlabeled)]
    test = kinds * size.each
    watch = Stopwatch("Simulating nuclei", len(labeled) + len(unlabeled) + len(test))
    drawn: list[list[tuple[UInt16, UInt16]]] = []
    for stream, (wanted, sides) in enumerate(((labeled, cutout), (unlabeled, shape), (test, shape))):
        # A stream for each: more images of one kind leave the others unchanged.
        rng = np.random.default_rng((seed, stream))
        drawn.append([])
        for kind in wanted:
            yield watch.progress(sum(len(pairs) for pairs in drawn))
            drawn[-1].append(nuclei_2d(rng, sides, kind=kind))
    yield watch.progress(watch.total)
    annotated, unknown, shown = drawn
    empty, _ = nuclei_2d(np.random.default_rng((seed, len(drawn))), shape, 0, kind=CULTURE)
    return ExperimentImages(
        [image for image, _ in annotated + unknown],
        [labels for _, labels in annotated] + [None] * len(unknown),
        [image for image, _ in shown],
        [labels for _, labels in shown],
        validation=0.0,
        axes="yx",
        empty_images=[empty],
    )
