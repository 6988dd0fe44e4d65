"""Random outlines of cells of all kinds: round, irregular, rods, worms, budding, tissue, axons in their sheaths.

One formula draws them all. An object is a segment of a line (of length 0 for round ones) around which a random outline
is laid; ``rho`` is a pixel's distance from the segment in units of that outline::

    own axes, unbent --> distance from the segment / outline in that direction = rho --> rho < 1 is inside

Where objects overlap, a pixel belongs to one of them: to the deepest (cells that flatten each other), to the upper, or
to the lower one.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from napari_grd.data.shapes import fast_noise

Float32 = NDArray[np.float32]

LEAST = 12  # pixels of the smallest visible object
_ANGLES = 72  # directions of an outline
_CHUNK = 2**19  # values evaluated at a time
_VISIBLE = 0.5  # share of an object that must be visible behind others

KINDS = {"round": 0.25, "irregular": 0.24, "rods": 0.09, "worms": 0.05, "budding": 0.1, "tissue": 0.1, "axons": 0.17}
"""Kinds of objects and how often they are drawn."""


@dataclass(frozen=True)
class Layout:
    """Where the objects are.

    Attributes
    ----------
    labels : (H, W) int32
        Consecutive from 1, each one piece of at least 12 pixels; 0 is background.
    sheath : (H, W) bool
        Background that belongs to an object: the myelin of an axon.
    """

    labels: NDArray[np.int32]
    sheath: NDArray[np.bool_]


@dataclass(frozen=True)
class _Objects:
    """Parameters of N objects, one row each; lengths in pixels."""

    center: Float32  # (N, 2)
    angle: Float32  # of the long axis
    segment: Float32  # half of its length
    along: Float32  # half axis of the outline along the segment
    across: Float32
    bend: Float32  # curvature, 1 / pixels
    wave: Float32  # amplitude of a sinusoidal bend
    outline: Float32  # (N, directions), 1 on average
    sheath: Float32  # thickness in half axes

    def __len__(self) -> int:
        return len(self.angle)

    @property
    def reach(self) -> Float32:
        """Distance of the farthest pixel from the center."""
        own = self.outline.max(axis=1) * np.maximum(self.along, self.across) * (1 + self.sheath)
        bent = np.abs(self.bend) * self.segment**2 + np.abs(self.wave)
        reach: Float32 = self.segment + own + bent
        return reach

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "_Objects":
        return _Objects(*(getattr(self, field.name)[index] for field in fields(self)))

    def with_more(self, other: "_Objects") -> "_Objects":
        return _Objects(*(np.concatenate([getattr(each, f.name) for each in (self, other)]) for f in fields(self)))


def random_layout(rng: np.random.Generator, shape: tuple[int, int], diameter: float) -> Layout:
    """Draw objects of a random kind, or of two, in a random crowd.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    shape : (int, int)
        Height and width in pixels.
    diameter : float
        Typical diameter of a circle of an object's area, in pixels.
    """
    names, odds = list(KINDS), np.array(list(KINDS.values()))
    kind, other = rng.choice(names, size=2, p=odds / odds.sum())
    centers = _centers(rng, shape, diameter, packed=kind == "tissue")
    objects = _objects(rng, kind, centers, diameter)
    # Two kinds side by side, but a sheath is lit so that cells without one would not be seen beside it.
    if not {"tissue", "axons"} & {kind, other} and rng.random() < 0.15:
        second = rng.random(len(centers)) < rng.uniform(0.1, 0.5)
        objects = objects.take(~second).with_more(_objects(rng, other, centers[second], diameter))
    if kind == "budding":
        objects = objects.with_more(_buds(rng, objects))
    objects = objects.take(np.argsort(-objects.reach, kind="stable"))  # small ones are not hidden by large ones
    if kind == "tissue":
        overlap = "deepest"
    elif kind in ("rods", "worms"):
        overlap = "lower"
    elif kind == "axons":  # one at least keeps its sheath where two touch
        overlap = str(rng.choice(["upper", "lower"]))
    else:
        overlap = str(rng.choice(["deepest", "upper", "lower"], p=[0.55, 0.2, 0.25]))
    labels, sheath = _drawn(objects, shape, overlap)
    if kind == "tissue" and rng.random() < 0.5:
        gap = rng.uniform(0.5, 0.06 * diameter + 1)
        labels = tidied(np.where(depth(labels) > gap, labels, 0))
    return Layout(labels, sheath & (labels == 0))


def tidied(labels: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """The largest piece of each object, without those of under 12 pixels, numbered from 1.

    Examples
    --------
    >>> labels = np.zeros((8, 20), np.int32)
    >>> labels[:, :4], labels[:, 10:14], labels[0, 18] = 3, 7, 3
    >>> np.unique(tidied(labels), return_counts=True)[1].tolist()
    [96, 32, 32]
    """
    pieces = measure.label(labels, background=0, connectivity=1)  # type: ignore[no-untyped-call]
    sizes = np.bincount(pieces.ravel())
    owner = np.zeros(len(sizes), np.intp)
    owner[pieces.ravel()] = labels.ravel()
    order = np.lexsort((sizes, owner))  # the largest piece of an owner comes last
    last = np.append(owner[order][1:] != owner[order][:-1], True)
    kept = order[last]
    kept = np.sort(kept[(owner[kept] > 0) & (sizes[kept] >= LEAST)])
    numbers = np.zeros(len(sizes), np.int32)
    numbers[kept] = np.arange(1, len(kept) + 1)
    tidy: NDArray[np.int32] = numbers[pieces]
    return tidy


def depth(labels: NDArray[np.integer[Any]]) -> Float32:
    """Distance in pixels of each object's pixels from its border, 0.5 on it, also where it touches another; 0 outside.

    Examples
    --------
    >>> depth(np.pad(np.ones((3, 3), np.int32), 1))[2].tolist()
    [0.0, 0.5, 1.5, 0.5, 0.0]
    """
    inside = labels > 0
    core = inside.copy()
    for axis in range(labels.ndim):
        labels_along, before = np.moveaxis(labels, axis, 0), np.moveaxis(core, axis, 0)
        differs = labels_along[1:] != labels_along[:-1]
        before[1:] &= ~differs
        before[:-1] &= ~differs
    if core.all():  # one object, without a border to be far from
        return np.full(labels.shape, max(labels.shape), np.float32)
    distance: Float32 = ndimage.distance_transform_edt(core).astype(np.float32)
    return np.where(inside, distance + np.float32(0.5), np.float32(0))


def _centers(rng: np.random.Generator, shape: tuple[int, int], diameter: float, *, packed: bool) -> Float32:
    """A jittered triangular lattice that reaches beyond the frame, thinned at random or to colonies."""
    spacing = diameter * (rng.uniform(0.85, 1.05) if packed else math.exp(rng.uniform(math.log(0.95), math.log(1.6))))
    rows = np.arange(-1, shape[0] / (spacing * 0.866) + 1) * spacing * 0.866
    cols = np.arange(-1, shape[1] / spacing + 1) * spacing
    points = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1)
    points[1::2, :, 1] += spacing / 2
    points = points.reshape(-1, 2) + rng.uniform(-spacing, 0, 2)
    points += rng.uniform(0.05, 0.45) * spacing * rng.uniform(-1, 1, points.shape)
    crowd = rng.random()
    if crowd < (0.05 if packed else 0.3):  # sparse
        kept = rng.random(len(points)) < math.exp(rng.uniform(math.log(0.08), math.log(0.6)))
    elif crowd < (0.3 if packed else 0.7):  # colonies
        scale = math.exp(rng.uniform(math.log(1.0), math.log(5.0))) * diameter
        field = fast_noise(rng, shape, scale)
        pixels = np.clip(np.rint(points).astype(int), 0, np.array(shape) - 1)
        kept = field[pixels[:, 0], pixels[:, 1]] > rng.uniform(-0.8, 1.0)
    else:  # confluent
        kept = rng.random(len(points)) < rng.uniform(0.85, 1.0)
    visible = ((points >= 0) & (points < shape)).all(axis=1)
    if not (kept & visible).any():
        kept[np.argmin(((points - rng.uniform(0, shape)) ** 2).sum(axis=1))] = True
    centers: Float32 = points[kept].astype(np.float32)
    return centers


def _objects(rng: np.random.Generator, kind: str, centers: Float32, diameter: float) -> _Objects:
    n = len(centers)
    spread = {"axons": rng.uniform(0.2, 0.55), "tissue": rng.uniform(0.02, 0.2)}.get(kind, rng.uniform(0.05, 0.35))
    radius = 0.5 * diameter * np.exp(np.clip(rng.normal(0, spread, n), -2 * spread, 2 * spread))
    angle = rng.uniform(0, math.pi, n)
    if rng.random() < (0.7 if kind in ("rods", "worms") else 0.25):  # neighbors are aligned
        angle = rng.uniform(0, math.pi) + rng.uniform(0.02, 0.5) * rng.normal(size=n)
    elongation = np.exp(rng.uniform(0, math.log(rng.uniform(1.05, 2.2)), n))
    segment, bend, wave, sheath = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    rough = {"irregular": rng.uniform(0.12, 0.4), "tissue": 0.08}.get(kind, rng.choice([0.0, rng.uniform(0, 0.12)]))
    outline = _outlines(rng, n, rough, spikes=kind == "irregular" and rng.random() < 0.7)
    if kind in ("rods", "worms"):
        low, high = (2.0, rng.uniform(3, 8)) if kind == "rods" else (6.0, rng.uniform(8, 15))
        ratio = rng.uniform(low, high, n)  # length to width
        # The same area as the circle: pi r^2 = w^2 (pi + 4 (ratio - 1)), with half a width w.
        width = radius * np.sqrt(math.pi / (math.pi + 4 * (ratio - 1)))
        segment, radius, elongation = width * (ratio - 1), width, np.ones(n)
        bend = rng.uniform(0, 0.25) * np.clip(rng.normal(size=n), -2, 2) / np.maximum(segment, 1)
        wave = rng.uniform(0, 2) * width * rng.uniform(-1, 1, n) if kind == "worms" else wave
    elif kind == "axons":
        sheath = rng.uniform(0.15, 1.0) * rng.uniform(0.6, 1.4, n)
        radius = 1.15 * radius / (1 + 0.5 * sheath)  # else hardly any would be left of crowded ones
    elif kind == "tissue":
        radius = 1.35 * radius  # they flatten each other
    elif rng.random() < 0.25:
        bend = rng.uniform(0, 0.35) * rng.normal(size=n) / np.maximum(radius, 1)
    root = np.sqrt(elongation)
    columns = (angle, segment, radius * root, radius / root, bend, wave, outline, sheath)
    return _Objects(centers, *(values.astype(np.float32) for values in columns))


def _outlines(rng: np.random.Generator, n: int, rough: float, *, spikes: bool) -> Float32:
    """Random closed curves as radii in 72 directions, with or without protrusions; the area is that of a circle."""
    theta = np.linspace(0, 2 * math.pi, _ANGLES, endpoint=False)
    orders = np.arange(2, 9)
    falloff = rng.uniform(0.6, 1.6)
    waves = np.exp(1j * orders[:, None] * theta)
    factors = (rng.normal(size=(n, 7)) + 1j * rng.normal(size=(n, 7))) * rough / (orders - 1) ** falloff
    outline = np.exp(np.clip((factors @ waves).real, -1.2, 0.8))
    if spikes:
        longest = rng.uniform(0.4, 1.8)
        for _ in range(3):
            angle, height = rng.uniform(0, 2 * math.pi, (n, 1)), rng.uniform(-0.5, longest, (n, 1))
            away = np.abs((theta - angle + math.pi) % (2 * math.pi) - math.pi)
            outline += np.maximum(height, 0) * np.exp(-((away / rng.uniform(0.15, 0.45, (n, 1))) ** 2))
    outline /= np.sqrt((outline**2).mean(axis=1, keepdims=True))
    curves: Float32 = outline.astype(np.float32)
    return curves


def _buds(rng: np.random.Generator, mothers: _Objects) -> _Objects:
    """Daughters at the border of some mothers."""
    mothers = mothers.take(rng.random(len(mothers)) < rng.uniform(0.2, 0.8))
    n = len(mothers)
    size = rng.uniform(0.4, 0.85, n).astype(np.float32)
    toward = rng.uniform(0, 2 * math.pi, n).astype(np.float32)
    own = np.stack([mothers.along * np.cos(toward), mothers.across * np.sin(toward)])
    distance = np.linalg.norm(own, axis=0) + size * mothers.across * rng.uniform(0.75, 0.95, n)
    direction = mothers.angle + np.arctan2(own[1], own[0])
    step = (distance * np.stack([np.sin(direction), np.cos(direction)])).T.astype(np.float32)
    return _Objects(
        mothers.center + step,
        direction.astype(np.float32),
        mothers.segment,
        mothers.along * size,
        mothers.across * size,
        mothers.bend,
        mothers.wave,
        _outlines(rng, n, 0.03, spikes=False),
        mothers.sheath,
    )


def _drawn(objects: _Objects, shape: tuple[int, int], overlap: str) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Labels and sheaths; each object is drawn in its bounding box."""
    owner = np.zeros(shape, np.int32)
    nearest = np.ones(shape, np.float32)
    own_area = np.ones(len(objects) + 1)
    reach = np.ceil(objects.reach).astype(int) + 1
    start = 0
    while start < len(objects):
        side = 2 * int(reach[start]) + 1  # the largest comes first; much smaller ones wait for a smaller box
        similar = int(np.count_nonzero(reach[start:] > 0.8 * reach[start]))
        stop = start + max(1, min(similar, _CHUNK // side**2))
        some = objects.take(slice(start, stop))
        corners = np.floor(some.center).astype(int) - side // 2
        rho = _rho(some, corners, side)
        for k, (top, left) in enumerate(corners.tolist()):
            rows, cols = slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0))
            theirs, depths = owner[rows, cols], nearest[rows, cols]
            if not theirs.size:
                continue
            mine = rho[k, rows.start - top :, cols.start - left :][: theirs.shape[0], : theirs.shape[1]]
            if overlap == "deepest":
                won = mine < depths
            elif overlap == "upper":
                won = mine < 1
            else:
                won = (mine < 1) & (theirs == 0)
            number = start + k + 1
            np.copyto(theirs, number, where=won)
            np.copyto(depths, mine, where=won)
            own_area[number] = np.count_nonzero(mine < 1)
        start = stop
    # What is left of an object behind others is its neighbors' shape, not its own. Flattened cells are what they are.
    visible = np.bincount(owner.ravel(), minlength=len(own_area))
    hidden = visible < (0.2 if overlap == "deepest" else _VISIBLE) * own_area
    hidden[0] = False
    thickness = np.concatenate([np.zeros(1, np.float32), objects.sheath])[owner]
    inside = (owner > 0) & (nearest * (1 + thickness) < 1) & ~hidden[owner]
    return tidied(np.where(inside, owner, 0)), (owner > 0) & (thickness > 0) & ~hidden[owner]


def _rho(objects: _Objects, corners: NDArray[np.intp], side: int) -> Float32:
    """Of each object, at the pixels of a square box: distance from its segment in units of its outline and sheath."""
    own = np.arange(side, dtype=np.float32)
    offset = (corners - objects.center).astype(np.float32)

    def column(values: NDArray[Any]) -> NDArray[Any]:
        return values[:, None, None]

    y, x = own[:, None] + column(offset[:, 0]), own + column(offset[:, 1])
    cos, sin = column(np.cos(objects.angle)), column(np.sin(objects.angle))
    u, v = sin * y + cos * x, cos * y - sin * x
    if objects.bend.any():
        v -= column(objects.bend) * (np.minimum(np.abs(u), column(objects.segment + objects.along)) ** 2)
    if objects.wave.any():
        v -= column(objects.wave) * np.sin(u * column(4 / (objects.segment + objects.along)))
    if objects.segment.any():
        u = np.copysign(np.maximum(np.abs(u) - column(objects.segment), 0), u)
    u /= column(objects.along)
    v /= column(objects.across)
    rho: Float32 = np.sqrt(u * u + v * v)
    rho /= column(1 + objects.sheath)
    if np.ptp(objects.outline):
        direction = ((np.arctan2(v, u) + np.float32(math.pi)) * np.float32(_ANGLES / (2 * math.pi))).astype(np.intp)
        direction += column(np.arange(len(objects)) * (_ANGLES + 1))
        closed = np.concatenate([objects.outline, objects.outline[:, :1]], axis=1)
        rho /= closed.ravel().take(direction)
    return rho
