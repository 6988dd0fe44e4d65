"""What a click would pick, before it is one. Nothing here runs a network."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.evidence import PlaneEvidence
from napari_grd.corrections.plane import PlaneLabels
from napari_grd.corrections.region import Region
from napari_grd.graph.region_growing import instance_at

Mask = NDArray[np.bool_]

_LIMIT = 96
_THRESHOLD = 0.4
_STEP = 1.25
_EPS = 1e-12


def picked(plane: PlaneLabels, evidence: PlaneEvidence | None, pixel: tuple[int, int], growth: float) -> Region | None:
    """What the embedding gives at a pixel of the background, without other objects; None without evidence."""
    if evidence is None:
        return None
    start = tuple(max(0, at - _LIMIT - 2) for at in pixel)
    window = tuple(slice(first, at + _LIMIT + 3) for first, at in zip(start, pixel, strict=True))
    at = (pixel[0] - start[0], pixel[1] - start[1])
    foreground = None if evidence.foreground is None else evidence.foreground[window]
    found = instance_at(evidence.embedding[window], foreground, at, _THRESHOLD, growth=growth, limit=_LIMIT)
    return _region(found & (plane.labels[window] == 0), at, (start[0], start[1]))


def grown(plane: PlaneLabels, evidence: PlaneEvidence | None, pixel: tuple[int, int], growth: float) -> Region | None:
    """The object at a pixel, wider or narrower by about a pixel a notch.

    It grows over background that the embedding finds like it, more tolerant with every notch, and
    never over another object; what is narrower than it shrinks leaves nothing.
    """
    label = int(plane.labels[pixel])
    box = plane.box(label)
    assert box is not None
    if growth == 0:
        return plane.region(label)
    rim = int(np.ceil(abs(growth))) + 1
    y0, x0 = max(box[0] - rim, 0), max(box[1] - rim, 0)
    window = np.s_[y0 : box[2] + rim, x0 : box[3] + rim]
    here = plane.labels[window]
    mask = here == label
    if growth < 0:
        # Beyond the image's edge the object goes on.
        depth = ndimage.distance_transform_edt(np.pad(mask, rim, mode="edge"))[rim:-rim, rim:-rim]
        changed: Mask = depth > -growth
    else:
        near = ndimage.distance_transform_edt(~mask) <= growth
        changed = mask | (near & (here == 0) & _like(evidence, window, mask, growth))
    return _region(changed, (pixel[0] - y0, pixel[1] - x0), (y0, x0))


def _like(evidence: PlaneEvidence | None, window: tuple[slice, slice], mask: Mask, growth: float) -> Mask:
    """Where the embedding is like that of the object."""
    if evidence is None:
        return np.ones(mask.shape, bool)
    vectors = evidence.embedding[window]
    direction = vectors[mask].mean(axis=0)
    lengths = np.linalg.norm(vectors, axis=-1) * np.linalg.norm(direction)
    alike: Mask = vectors @ direction > (1 - (1 - _THRESHOLD) * _STEP**growth) * np.maximum(lengths, _EPS)
    return alike


def _region(mask: Mask, at: tuple[int, int], origin: tuple[int, int]) -> Region | None:
    """The part of a mask around a pixel."""
    parts, _ = ndimage.label(mask)
    return Region.from_mask(parts == parts[at], origin) if parts[at] else None
