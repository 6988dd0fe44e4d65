"""The real images with their split, and how a model is scored on them."""

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import napari_grd as grd
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image
from napari_grd.io.listing import read_pairs

# Objects below these sizes are slivers of the annotation; scores ignore them on both sides.
MIN_SIZE = {"bbbc039_nuclei": 60, "dsb2018_fluo": 30, "mnfinder_nuclei": 60}
# Where the images come from, as the cards of models say it.
ORIGIN = {
    "dsb2018_fluo": "2018 Data Science Bowl stage 1 (BBBC038), fluorescence images, CC0",
    "bbbc039_nuclei": "BBBC039v1 (Caicedo et al. 2019), Broad Bioimage Benchmark Collection, CC0",
    "usiigaci_phase": "Usiigaci (Tsai et al. 2019), phase contrast, MIT",
    "mnfinder_nuclei": "MNFinder (DiPeso et al. 2024), fluorescence nuclei and micronuclei, MIT",
    "yeastvision_phase": "YeastVision (North Carolina State University, 2022), phase contrast, BSD-3-Clause",
    "axondeepseg_sem_axons": "AxonDeepSeg (Zaimi et al. 2018), scanning electron microscopy, MIT",
    "dsb2018_histology_rgb": "2018 Data Science Bowl stage 1 (BBBC038), stained tissue, CC0",
}
FLUORESCENCE = ("dsb2018_fluo", "bbbc039_nuclei")  # what the built-in nuclei model is trained on
WELL = re.compile(r"_([A-P]\d\d)_")


@dataclass(frozen=True)
class Dataset:
    """One set of real images, split as everybody splits it."""

    name: str
    train: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]
    validation: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]

    @property
    def min_size(self) -> int:
        """Objects below this many pixels do not count."""
        return MIN_SIZE.get(self.name, 0)

    @property
    def axes(self) -> str:
        """Axes of its images."""
        return "yxc" if self.name.endswith("_rgb") else "yx"


def load(name: str, *, rehearsal: bool = False) -> Dataset:
    """Read a set of the folder ``GRD_DATA``.

    Validation is every 5th stem (from index 0); of bbbc039_nuclei every 5th
    well, because fields of one well look alike; of yeastvision_phase, one film,
    the end.

    With ``rehearsal``, the validation images are not even read: a fifth of the
    *training* images takes their place, chosen by the same rule. Settings are
    settled there, so that validation images stay unseen until the end.
    """
    root = os.environ.get("GRD_DATA")
    if not root:
        sys.exit("Set GRD_DATA to the folder of real images, e.g. GRD_DATA=/data/grd.")
    pairs = read_pairs(Path(root) / name, strict=True)
    groups = [_well(pair.name) if name == "bbbc039_nuclei" else pair.name for pair in pairs]
    held = set(sorted(set(groups))[::5])
    if name == "yeastvision_phase":
        held = {group for group in groups if int(group.rpartition("_t")[2]) >= 150}
    unread: set[str] = set()
    if rehearsal:
        unread, held = held, set(sorted(set(groups) - held)[::5])
    train, validation = [], []
    for pair, group in zip(pairs, groups, strict=True):
        if group in unread:
            continue
        assert pair.labels is not None
        item = (read_image(pair.image).pixels, read_label_image(pair.labels))
        (validation if group in held else train).append(item)
    return Dataset(name, train, validation)


def _well(stem: str) -> str:
    match = WELL.search(stem)
    assert match is not None, f"no well in the name {stem!r}"
    return match.group(1)


def score(
    model: grd.Model, sets: Iterable[Dataset], config: grd.SegmentConfig | None = None
) -> dict[str, dict[str, float]]:
    """AP50, AJI, SBD and PQ on the validation images of each set, by default at the size that the model knows."""
    config = config or grd.SegmentConfig().as_known()
    result = {}
    for data in sets:
        found = [grd.segment(model, image, config, axes=data.axes) for image, _ in data.validation]
        scores = grd.evaluate(reference=[labels for _, labels in data.validation], labels=found, min_size=data.min_size)
        result[data.name] = {"ap50": scores.ap50, "aji": scores.aji, "sbd": scores.sbd, "pq": scores.pq}
    return result
