"""Folders of images, read whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_grd.errors import DataError
from napari_grd.io.images import read_image, read_pairs
from napari_grd.jobs import Job, Stopwatch

_PHOTO = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class ImageFolder:
    """Images of a folder, in memory.

    Attributes
    ----------
    names : list of str
        Stems, sorted.
    images : list of arrays
        As stored.
    labels : list of (array or None)
        None where an image has no labels.
    axes : str
        Axes of every image.
    """

    names: list[str]
    images: list[NDArray[Any]]
    labels: list[NDArray[Any] | None]
    axes: str | None

    def take(self, indices: Sequence[int]) -> "ImageFolder":
        """The folder as if it held only some of its images."""
        return ImageFolder(
            [self.names[i] for i in indices],
            [self.images[i] for i in indices],
            [self.labels[i] for i in indices],
            self.axes,
        )

    def labelled(self) -> "ImageFolder":
        """The images that have labels."""
        return self.take([i for i, labels in enumerate(self.labels) if labels is not None])

    def hold_out(self, fraction: float, group: str | None = None) -> tuple["ImageFolder", "ImageFolder"]:
        """Split into what is trained on and what is held out, the same every time.

        Of the labelled images (of all, if none is labelled), sorted by name, the first and
        every ``1 / fraction``-th after it are held out; or of their groups.

        Parameters
        ----------
        fraction : float
            How much is held out.
        group : str, optional
            Regular expression with one pair of brackets, which catches of a name what images
            of one well or patient have in common. They stay together.

        Raises
        ------
        DataError
            If the fraction is not between 0 and 0.5, the group is no such expression, or there are not two to split.
        """
        if not 0 < fraction <= 0.5:
            raise DataError(f"The fraction to hold out is {fraction:g}.", "Give one above 0, up to 0.5.")
        places = list(range(len(self.images)))
        candidates = [i for i in places if self.labels[i] is not None] or places
        groups = [_group(self.names[i], group) for i in places]
        found = list(dict.fromkeys(groups[i] for i in candidates))
        if len(found) < 2:
            raise DataError(
                f"{len(found)} of {len(places)} images can be held out."
                if group is None
                else f"All names have {found} where {group!r} looks.",
                "Label at least two images (of two groups): one to train on, one to compare on.",
            )
        held = set(found[:: round(1 / fraction)])
        # Unlabelled images of a held group are not trained on either.
        chosen = [i for i in candidates if groups[i] in held]
        return self.take([i for i in places if groups[i] not in held]), self.take(chosen)


def _group(name: str, pattern: str | None) -> str:
    if pattern is None:
        return name
    try:
        match = re.search(pattern, name)
        return "" if match is None else match.group(1)
    except (re.error, IndexError) as error:
        raise DataError(
            f"The group {pattern!r} is no regular expression with one pair of brackets ({error}).",
            r"Write for example '_([A-P]\d\d)_'.",
        ) from None


def iter_read(folder: Path, axes: str | None = None) -> Job[ImageFolder]:
    """Read a folder's images and labels, as a job.

    Parameters
    ----------
    folder : Path
        With subfolders ``images`` and ``labels``, or only images.
    axes : str, optional
        Axes of every image. Default: what the first image tells.

    Raises
    ------
    DataError
        If the folder or a file in it cannot be used.
    """
    pairs = read_pairs(folder)
    watch = Stopwatch("Reading images", len(pairs))
    images, labels = [], []
    for done, pair in enumerate(pairs):
        yield watch.progress(done)
        images.append(read_image(pair.image))
        labels.append(None if pair.labels is None else read_image(pair.labels))
    yield watch.progress(len(pairs))
    axes = axes or _axes(pairs[0].image, images[0], labels[0])
    return ImageFolder([pair.name for pair in pairs], images, labels, axes)


def _axes(path: Path, image: NDArray[Any], labels: NDArray[Any] | None) -> str | None:
    if image.ndim == 2:
        return "yx"
    if path.suffix.lower() in _PHOTO:
        return "yxc"
    if labels is not None and image.ndim == 3:
        return {image.shape[:-1]: "yxc", image.shape[1:]: "cyx"}.get(labels.shape)
    return None
