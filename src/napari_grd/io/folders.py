"""Folders of images and labels, read for training, as planes or as volumes."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from napari_grd.errors import DataError, GrdError, LabelError
from napari_grd.io.image_data import ImageData
from napari_grd.io.images import list_series, read_image, read_stored
from napari_grd.io.label_image import LabelImage, labels_of, open_large_labels, read_labels, with_ground_truth
from napari_grd.io.layout import AxesGuess
from napari_grd.io.lazy import IN_MEMORY, is_lazy
from napari_grd.io.listing import ImagePair, list_pairs
from napari_grd.io.names import file_name
from napari_grd.io.notes import Notes
from napari_grd.jobs import Job, Notice, Stopwatch

_ALIKE = 1.05  # maximum ratio of pixel sizes considered equal


@dataclass(frozen=True)
class ImageFolder:
    """Planes, or volumes, of the images of a folder.

    Attributes
    ----------
    names : list of str
        Stems, sorted; for planes of a stack, with their position.
    images : list of arrays
        In their stored type; in memory, or dask arrays if they were read as such.
    labels : list of (array or None)
        None if an image has no labels; the same.
    axes : str
        Axes of every image: ``yx``, ``yxc`` or ``cyx``; of volumes ``zyx``, ``zyxc`` or ``czyx``.
    sources : list of str
        Source of each image (a file, a position, a well): planes of one stack are correlated.
    pixel_sizes : list of (float or None)
        Pixel size of each image in micrometers; None if unknown.
    anisotropies : list of (float or None)
        Distance of the planes of each volume divided by its pixel size; None if unknown.
    """

    names: list[str]
    images: list[NDArray[Any]]
    labels: list[NDArray[Any] | None]
    axes: str | None
    sources: list[str] = field(default_factory=list)
    pixel_sizes: list[float | None] = field(default_factory=list)
    anisotropies: list[float | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.sources:
            object.__setattr__(self, "sources", list(self.names))
        if not self.pixel_sizes:
            object.__setattr__(self, "pixel_sizes", [None] * len(self.names))
        if not self.anisotropies:
            object.__setattr__(self, "anisotropies", [None] * len(self.names))

    @property
    def pixel_size(self) -> float | None:
        """Pixel size of all images in micrometers; None if unknown or different."""
        return _common(self.pixel_sizes)

    @property
    def anisotropy(self) -> float | None:
        """Anisotropy of all volumes; None if unknown or different."""
        return _common(self.anisotropies)

    @property
    def named(self) -> dict[str, NDArray[Any]]:
        """The images by name."""
        return dict(zip(self.names, self.images, strict=True))

    def take(self, indices: Sequence[int]) -> "ImageFolder":
        """The folder with a subset of its images."""
        return ImageFolder(
            [self.names[i] for i in indices],
            [self.images[i] for i in indices],
            [self.labels[i] for i in indices],
            self.axes,
            [self.sources[i] for i in indices],
            [self.pixel_sizes[i] for i in indices],
            [self.anisotropies[i] for i in indices],
        )

    def labeled(self) -> "ImageFolder":
        """The images that have labels."""
        return self.take([i for i, labels in enumerate(self.labels) if labels is not None])

    def hold_out(self, fraction: float, group: str | None = None) -> tuple["ImageFolder", "ImageFolder"]:
        """Split into training and held-out images, deterministically.

        Of the labeled images (of all, if none is labeled), sorted by name, the first and
        every ``1 / fraction``-th after it are held out; or of their groups. All planes
        of a stack are held out together; of a single stack or volume, the last planes, of a single image that is not
        in memory, the last rows. A single labeled image among others is held out.

        Parameters
        ----------
        fraction : float
            Fraction to hold out.
        group : str, optional
            Regular expression with one group, which captures the well or patient in a name. Images that share it stay
            together.

        Raises
        ------
        DataError
            If the fraction is not between 0 and 0.5, the group is not such an expression, or there are fewer than two
            to split.
        """
        if not 0 < fraction <= 0.5:
            raise DataError(f"The fraction to hold out is {fraction:g}.", "Give one above 0, up to 0.5.")
        places = list(range(len(self.images)))
        candidates = [i for i in places if self.labels[i] is not None] or places
        groups = [_group(self.sources[i], group) for i in places]
        held_groups = list(dict.fromkeys(groups[i] for i in candidates))
        others = [i for i in places if i not in candidates and groups[i] not in held_groups]
        if len(held_groups) == 1 and others:  # a single labeled image is more useful for evaluation
            return self.take(others), self.take(candidates)
        if len(held_groups) < 2 and group is None and len(candidates) > 1:  # planes of one stack
            last = candidates[-max(1, round(fraction * len(candidates))) :]
            return self.take([i for i in places if i not in last]), self.take(last)
        if len(places) == 1 and self.axes is not None and "z" in self.axes:
            return self._split_along("z", fraction)
        if len(places) == 1 and self.axes is not None and is_lazy(self.images[0]):
            return self._split_along("y", fraction)
        if len(held_groups) < 2:
            raise DataError(
                f"{len(held_groups)} of {len(places)} images can be held out."
                if group is None
                else f"All names have {held_groups} where {group!r} looks.",
                "Label at least two images (of two groups): one to train on, one to compare on.",
            )
        held = set(held_groups[:: round(1 / fraction)])
        # Unlabeled images of a held group are not trained on either.
        chosen = [i for i in candidates if groups[i] in held]
        return self.take([i for i in places if groups[i] not in held]), self.take(chosen)

    def _split_along(self, axis: str, fraction: float) -> tuple["ImageFolder", "ImageFolder"]:
        """The first and the last planes of the only volume, or rows of the only plane."""
        along = (self.axes or "").index(axis)
        size = self.images[0].shape[along]
        cut = min(size - 1, round((1 - fraction) * size))
        if cut < 1:
            raise DataError(f"The volume {self.names[0]!r} has {size} plane(s).", "Give two volumes or more.")

        def part(start: int, stop: int) -> "ImageFolder":
            image = self.images[0][(slice(None),) * along + (slice(start, stop),)]
            labels = self.labels[0]
            return replace(self, images=[image], labels=[None if labels is None else labels[start:stop]])

        return part(0, cut), part(cut, size)


def _common(values: list[float | None]) -> float | None:
    """The median of values that are nearly equal, and all known."""
    present = [value for value in values if value is not None]
    if not present or len(present) < len(values) or max(present) > _ALIKE * min(present):
        return None
    return float(np.median(present))


def _group(name: str, pattern: str | None) -> str:
    if pattern is None:
        return name
    try:
        match = re.search(pattern, name)
        return "" if match is None else match.group(1)
    except (re.error, IndexError) as error:
        raise DataError(
            f"The group {pattern!r} is not a regular expression with one group ({error}).",
            r"Write for example '_([A-P]\d\d)_'.",
        ) from None


def iter_read(
    folder: Path, axes: str | None = None, *, most: int | None = None, ndim: int = 2, lazy: bool = False
) -> Job[ImageFolder]:
    """Read a folder's images and labels plane by plane, or volume by volume, as a job.

    Stacks and time series are split into planes, series of volumes into volumes. A gray image among RGB ones gets
    three equal channels. A file that cannot be read is reported in a notice, and the others are read; guesses are
    reported, too. Of files with several images, such as plates, all are read; an OME-Zarr may contain its labels.

    Parameters
    ----------
    folder : Path
        With subfolders ``images`` and ``labels``, or only images; or one file, or OME-Zarr, of images.
    axes : str, optional
        Axes of every image, letters of ``tczyx``. Default: those of the files.
    most : int, optional
        Maximum number of images, evenly spaced; labels are then not read.
    ndim : {2, 3}
        Whether to read planes or volumes. A single plane is no volume, and is excluded then.
    lazy : bool
        Whether images of more than :data:`~napari_grd.io.lazy.IN_MEMORY` values, and their labels, stay where they are.

    Raises
    ------
    DataError
        If the folder cannot be used, no file of it can be read, or images have different numbers of channels.
    LabelError
        If labels do not fit their image.
    """
    listing = list_pairs(folder)
    for note in listing.notes:
        yield Notice(note)
    pairs = listing.pairs
    if most is not None:
        pairs = tuple(replace(pair, labels=None) for pair in pairs[:: max(1, len(pairs) // most)][:most])
    watch = Stopwatch("Reading images", len(pairs))
    notes = Notes()
    read: list[_Planes] = []
    failed: GrdError | None = None
    for done, pair in enumerate(pairs):
        yield watch.progress(done)
        try:
            for planes in _images(pair, axes, most, ndim, lazy=lazy):
                yield from notes.tell(planes.notes, pair.image, pair.labels)
                read.append(planes)
        except LabelError:
            raise
        except GrdError as error:
            failed = error
            yield from notes.tell([f"{pair.image.name} was excluded. {error}"], pair.image)
    yield watch.progress(len(pairs))
    yield from notes.rest()
    if not read:
        raise DataError(f"No image of {str(folder)!r} can be used.", str(failed))
    dataset = _joined(read)
    if most is not None and len(dataset.images) > most:
        dataset = dataset.take(range(0, len(dataset.images), -(-len(dataset.images) // most)))
    return dataset


@dataclass(frozen=True, eq=False)
class _Planes:
    """One file's planes, ``(y, x)``, ``(y, x, c)`` or ``(c, y, x)``; or its volumes, with z before y."""

    path: Path
    name: str
    group: str
    axes: str
    is_rgb: bool
    places: list[str]
    images: list[NDArray[Any]]
    labels: list[NDArray[Any] | None]
    notes: tuple[str, ...]
    pixel_size: float | None
    anisotropy: float | None

    @property
    def channels(self) -> int:
        return self.images[0].shape[self.axes.index("c")] if "c" in self.axes else 1


def _images(pair: ImagePair, axes: str | None, most: int | None, ndim: int, *, lazy: bool) -> Iterator[_Planes]:
    """Every image of a file, with its labels."""
    names = list_series(pair.image)
    chosen = range(len(names)) if most is None else range(0, len(names), -(-len(names) // most))
    if pair.labels is not None and len(names) > 1 and len(truth := list_series(pair.labels)) != len(names):
        raise LabelError(
            f"{pair.image.name} contains {len(names)} images, its labels {str(pair.labels)!r} {len(truth)}.",
            "Save as many label images, or one file per image and per label image.",
        )
    for series in chosen:
        image = read_image(pair.image, series=series, axes=axes)
        if not (lazy and is_lazy(image.pixels) and math.prod(image.shape) > IN_MEMORY):
            image = replace(image, pixels=np.asarray(image.pixels))
        if pair.labels is None:
            image = with_ground_truth(image)
        open_labels = open_large_labels if is_lazy(image.pixels) else labels_of
        labels = open_labels(image) if len(image.labels) == 1 else None
        if pair.labels is not None:
            own = series if len(names) > 1 else None
            if is_lazy(image.pixels) and not pair.labels.name.endswith(".npy"):
                labels = open_large_labels(read_stored(pair.labels, series=own))
            else:
                labels = read_labels(pair.labels, series=own)
        yield _planes(image, labels, pair, axes, "zyx"[-ndim:])


def _planes(image: ImageData, labels: LabelImage | None, pair: ImagePair, axes: str | None, spatial: str) -> _Planes:
    if missing := set(spatial) - set(image.axes):
        raise DataError(
            f"{str(pair.image)!r} has the axes {image.axes!r}, a volume has {spatial!r}.",
            "Exclude it, or train a network that takes planes." if "z" in missing else "Name its axes.",
        )
    name, group = pair.name, pair.name
    if len(image.series_names) > 1:
        name = image.name
        # Fields of a well are correlated.
        well = image.series_names[image.series].rpartition("/")[0]
        group = file_name(f"{pair.name}_{well}") if well else name
    notes = image.notes
    guessed = not image.axes_known and axes is None and "c" not in image.axes
    if guessed and labels is not None and labels.pixels.ndim == 2:
        # One label image for all pages: they are channels of one image.
        image = replace(image, axes=image.axes.replace("z", "c"))
        notes = tuple(note for note in notes if not isinstance(note, AxesGuess))
    stacked = [axis for axis in image.axes if axis not in f"c{spatial}"]
    if labels is not None:
        labels = _fitting(labels, image, pair)
        notes = (*notes, *labels.notes)
    pixels = np.moveaxis(image.pixels, [image.axes.index(axis) for axis in stacked], range(len(stacked)))
    left = "".join(axis for axis in image.axes if axis not in stacked)
    if left not in (spatial, f"{spatial}c", f"c{spatial}"):  # x before y, as in some programs
        order = f"c{spatial}" if "c" in left else spatial
        places_of = [len(stacked) + left.index(axis) for axis in order]
        pixels = pixels.transpose(*range(len(stacked)), *places_of)
        left = order
    places, images, references = [], [], []
    for index in np.ndindex(*pixels.shape[: len(stacked)]):
        plane = pixels[index]
        truth = None if labels is None else labels.pixels[index]
        if truth is not None and "z" in stacked:
            if is_lazy(truth):
                raise LabelError(
                    f"{pair.image.name} is a large stack, whose objects may be in several pieces in a plane.",
                    "Train a network that takes volumes, or save its planes, or parts of it, as images.",
                )
            truth = _pieces(truth)
        if not is_lazy(plane):
            if stacked and plane.min() == plane.max() and (truth is None or not truth.any()):
                continue  # outside the specimen
            plane = np.ascontiguousarray(plane)
        places.append("".join(f"_{axis}{number:03d}" for axis, number in zip(stacked, index, strict=True)))
        images.append(plane)
        references.append(truth)
    if not images:
        raise DataError(f"All planes of {str(pair.image)!r} are constant.", "Exclude it.")
    return _Planes(
        pair.image,
        name,
        group,
        left,
        image.is_rgb,
        places,
        images,
        references,
        notes,
        image.calibration.pixel_size,
        image.calibration.anisotropy,
    )


def _pieces(labels: NDArray[Any]) -> NDArray[Any]:
    """Pieces of one object of a volume become separate objects in a plane, where they are not connected."""
    numbers: NDArray[Any] = label(np.maximum(labels, 0), connectivity=1)  # type: ignore[no-untyped-call]
    if numbers.max() == len(np.unique(labels[labels > 0])):
        return labels
    return np.where(labels < 0, labels, numbers)


def _fitting(labels: LabelImage, image: ImageData, pair: ImagePair) -> LabelImage:
    """Labels in the order of the image's axes t, z, y, x."""
    order = "".join(axis for axis in "tzyx" if axis in image.axes)
    wanted = tuple(image.shape[image.axes.index(axis)] for axis in order)
    pixels = labels.pixels
    if sorted(labels.axes) == sorted(order):
        pixels = pixels.transpose([labels.axes.index(axis) for axis in order])
    if pixels.shape != wanted:
        raise LabelError(
            f"The labels {str(pair.labels)!r} have shape {labels.pixels.shape} (axes {labels.axes!r}), their image"
            f" {pair.image.name} has {image.shape} (axes {image.axes!r}).",
            "Labels have one number per pixel and no channel axis; name the image's axes if they are wrong.",
        )
    return replace(labels, pixels=pixels, axes=order)


def _joined(read: list[_Planes]) -> ImageFolder:
    """Bring all planes to one layout."""
    counts = [planes.channels for planes in read]
    most = max(counts)
    colored = all(planes.is_rgb for planes in read if planes.channels == most)
    for planes in read:
        if planes.channels not in (most, 1 if colored and most == 3 else most):
            other = read[counts.index(most)]
            raise DataError(
                f"{str(planes.path)!r} has {planes.channels} channel(s), {other.path.name} has {most}.",
                "Put images of the same channels into a folder.",
            )
    layouts = {planes.axes for planes in read}
    spatial = read[0].axes.replace("c", "")
    axes = spatial if most == 1 else f"{spatial}c" if layouts <= {spatial, f"{spatial}c"} else f"c{spatial}"
    names, sources, images, labels = [], [], [], []
    sizes: list[float | None] = []
    anisotropies: list[float | None] = []
    for planes in read:
        for place, image, truth in zip(planes.places, planes.images, planes.labels, strict=True):
            names.append(planes.name + place)
            sources.append(planes.group)
            sizes.append(planes.pixel_size)
            anisotropies.append(planes.anisotropy)
            images.append(_laid_out(image, planes.axes, axes, most))
            labels.append(truth)
    return ImageFolder(names, images, labels, axes, sources, sizes, anisotropies)


def _laid_out(image: NDArray[Any], axes: str, wanted: str, channels: int) -> NDArray[Any]:
    if axes == wanted:
        return image
    if "c" not in axes:
        return np.stack([image] * channels, axis=wanted.index("c"))
    moved = np.moveaxis(image, axes.index("c"), wanted.index("c"))
    return moved if is_lazy(image) else np.ascontiguousarray(moved)
