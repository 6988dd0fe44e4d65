"""The domains of the built-in models: their images, the simulated ones beside them, and the augmentation."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import load
from napari_grd.config import AugmentConfig
from napari_grd.data.simulate_cells import random_cells
from napari_grd.distillation.prepare import object_diameter
from napari_grd.inference.rescale import nearest, rescale_image

Pair = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

COMMON_DIAMETER = 24.0  # pixels, of the objects of a generalist's images
PATCH = 160  # pixels, the largest of the trainings: smaller images are left out
_SIDE = 256  # of a simulated image
# Wide, because other laboratories' microscopes differ more than the images of one set do.
_WIDE = {"rotate": 0.5, "scale": 0.7, "elastic": 0.3, "intensity": 0.8, "noise": 0.4, "blur": 0.3}


@dataclass(frozen=True)
class Domain:
    """What a model is trained on.

    Attributes
    ----------
    sets : dict of str to int
        Real sets, and how often each of their images is listed: more often, if there are few.
    simulated : int
        Simulated images beside them.
    blank : int
        Fields without objects.
    scales : (float, float)
        Random magnification.
    common : bool
        Whether all images are brought to one object diameter, and also shown inverted.
    """

    sets: dict[str, int]
    simulated: int
    blank: int
    scales: tuple[float, float]
    common: bool = False
    rgb: bool = False

    @property
    def augment(self) -> AugmentConfig:
        """Random changes of its patches."""
        stain = {"stain": 0.7, "intensity": 0.3} if self.rgb else {}
        return AugmentConfig(**_WIDE | stain, scale_range=self.scales)


DOMAINS = {
    "nuclei": Domain({"dsb2018_fluo": 1, "bbbc039_nuclei": 1, "mnfinder_nuclei": 4}, 40, 16, (0.5, 2.0)),
    "tissue": Domain({"dsb2018_histology_rgb": 1}, 0, 6, (0.6, 1.7), rgb=True),
    "phase": Domain({"usiigaci_phase": 1}, 4, 2, (0.6, 1.6)),
    "yeast": Domain({"yeastvision_phase": 4}, 24, 2, (0.6, 1.6)),
    "axons": Domain({"axondeepseg_sem_axons": 4}, 8, 2, (0.5, 2.0)),
    "cells": Domain(
        {
            "dsb2018_fluo": 1,
            "bbbc039_nuclei": 1,
            "mnfinder_nuclei": 4,
            "usiigaci_phase": 4,
            "yeastvision_phase": 6,
            "axondeepseg_sem_axons": 8,
        },
        500,
        16,
        (0.6, 1.6),
        common=True,
    ),
}


def domain_pairs(name: str, simulated: Path) -> Iterator[Pair]:
    """Training images and labels of a domain; of ``simulated``, see :func:`simulate`, its share."""
    domain = DOMAINS[name]
    for data, times in domain.sets.items():
        for image, labels in load(data).train:
            if domain.common:
                image, labels = same_size(image, labels)
            if min(labels.shape) < PATCH:
                continue
            for number in range(times):
                yield (inverted(image) if domain.common and number % 2 else image), labels
    if domain.simulated:
        with np.load(simulated) as drawn:
            for image, labels in zip(drawn["images"][: domain.simulated], drawn["labels"], strict=False):
                yield image.astype(np.float32) / 255, labels.astype(np.int64)
    rng = np.random.default_rng(1)
    for _ in range(domain.blank):
        yield blank(rng, rgb=domain.rgb)


def simulate(number: int) -> Pair:
    """A simulated image, 8 bits, around the common diameter."""
    low, high = COMMON_DIAMETER / 1.5, COMMON_DIAMETER * 1.5
    image, labels = random_cells(np.random.default_rng((7, number)), (_SIDE, _SIDE), (low, high))
    span = max(float(np.ptp(image)), 1e-6)
    return (255 * (image - image.min()) / span).round().astype(np.uint8), labels.astype(np.int16)


def blank(rng: np.random.Generator, *, rgb: bool) -> Pair:
    """A field without objects: an uneven background with noise; a slide, if it is of three channels."""
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    direction = rng.uniform(0, 2 * math.pi)
    shading = 1 + rng.uniform(0, 0.3) * (math.cos(direction) * x + math.sin(direction) * y)
    if not rgb:
        image = 100 * shading + rng.uniform(1, 12) * rng.standard_normal((256, 256))
        return image.astype(np.float32), np.zeros((256, 256), np.int64)
    color = rng.uniform([215, 200, 215], [245, 242, 245])
    slide = color * shading[..., None] ** 0.3 + rng.uniform(0.5, 4) * rng.standard_normal((256, 256, 3))
    return slide.clip(0, 255).astype(np.uint8), np.zeros((256, 256), np.int64)


def inverted(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The image with bright and dark exchanged."""
    low, high = image.min(), image.max()
    result: np.ndarray[Any, Any] = high - (image - low)
    return result


def same_size(image: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Pair:
    """An image and its labels, rescaled so that its objects have the common diameter."""
    diameter = object_diameter([labels.astype(np.int64)])
    if diameter is None:
        return image, labels
    zoom = min(max(COMMON_DIAMETER / diameter, 0.25), 3.0)
    shape = tuple(round(side * zoom) for side in labels.shape)
    return rescale_image(image[None].astype(np.float32), shape)[0], nearest(labels.astype(np.int64), shape)
