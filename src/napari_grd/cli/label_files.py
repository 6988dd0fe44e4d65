"""Label images that a command line names, with their images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_grd.errors import ConfigError, DataError

if TYPE_CHECKING:
    from napari_grd.io.calibration import Calibration
    from napari_grd.io.label_pixels import LabelPixels

_MANY = 64  # minimum number of objects for the plausibility check
_SCATTERED = 3  # pieces an object


@dataclass(frozen=True)
class LabelFile:
    """A file of labels, and the image it belongs to if there is one.

    Attributes
    ----------
    name : str
        Common name of both.
    labels : Path
        The label image.
    image : Path or None
        The image.
    lacks_image : bool
        Whether images were given, but not this one.
    """

    name: str
    labels: Path
    image: Path | None
    lacks_image: bool = False


def find_label_files(labels: Path, images: Path | None) -> tuple[list[LabelFile], list[str], bool]:
    """Files matched by their stems, notes on skipped files, and whether a folder was given.

    Raises
    ------
    DataError
        If there is no label image, one of the two is a folder and the other is not, or no image fits any labels.
    """
    from napari_grd.io.listing import find_labels, list_images
    from napari_grd.io.names import image_stem

    many = _is_folder(labels)
    if images is not None and _is_folder(images) != many:
        raise DataError(f"Of {str(labels)!r} and {str(images)!r} one is a folder.", "Give two files, or two folders.")
    if not many:
        if not labels.exists():
            raise DataError(f"There is no label image {str(labels)!r}.", "Check the path.")
        return [LabelFile(image_stem(images or labels), labels, images)], [], False
    inside = next((labels / name for name in ("labels", "masks") if (labels / name).is_dir()), labels)
    if images is None and inside != labels and (labels / "images").is_dir():
        images = labels / "images"
    beside = _beside(labels) if inside == labels and images in (None, labels) else []
    if beside:
        return beside, [], True
    inside_labels = find_labels(inside)
    if images is None:
        return [LabelFile(name, path, None) for name, path in inside_labels.items()], [], True
    listing = list_images(images)
    images_by_stem = {image_stem(path): path for path in listing.images}
    if not images_by_stem.keys() & inside_labels.keys():
        raise DataError(
            f"No image in {str(images)!r} has the name of a label image in {str(inside)!r}.",
            "Give image and labels the same name.",
        )
    notes = list(listing.notes)
    if bare := images_by_stem.keys() - inside_labels.keys():
        notes.append(f"{len(bare)} image(s) have no labels and were skipped, the first: {min(bare)!r}.")
    return (
        [
            LabelFile(name, path, images_by_stem.get(name), name not in images_by_stem)
            for name, path in inside_labels.items()
        ],
        notes,
        True,
    )


def read_label_file(
    file: LabelFile, *, axes: str | None = None, pixel_size: tuple[float, ...] | None = None, with_image: bool = True
) -> "LabelPixels":
    """Read labels, and the channels of their image on request.

    Raises
    ------
    GrdError
        If a file cannot be read, or the two do not fit.
    """
    import numpy as np

    from napari_grd.io.images import read_image
    from napari_grd.io.label_image import read_labels
    from napari_grd.io.label_pixels import LabelPixels, channels_by_name, pick_axes

    if file.lacks_image:
        raise DataError(f"There is no image for {file.labels.name}.", "Add it, or remove these labels.")
    read = read_labels(file.labels, axes=axes)
    labels, letters, notes = read.pixels, read.axes, list(read.notes)
    place = replace(read.calibration, axes=tuple(letters))
    channels: Mapping[str, Any] = {}
    if file.image is not None:
        image = read_image(file.image)
        notes += image.notes
        rest = image.axes.replace("c", "")
        if not read.axes_known and len(rest) == len(letters):
            letters, place = rest, replace(place, axes=tuple(rest))
        if set(rest) != set(letters):
            raise DataError(
                f"{file.labels.name} has the axes {letters} and {file.image.name} has {image.axes}.",
                "Give the labels of this image; name the axes of the labels (--axes) if they are wrong.",
            )
        if not _says_size(place):
            place = image.calibration
        if with_image:
            channels = channels_by_name(image)
    if labels.dtype.kind == "i" and labels.min(initial=0) < 0:
        labels = np.where(labels < 0, 0, labels)
        notes.append(f"Pixels of {file.labels.name} that are unknown (-1) are read as background.")
    if why := _not_labels(labels):
        notes.append(f"{file.labels.name} looks like an image, not like labels: {why}.")
    order = sorted(letters, key="tczyx".index)
    labels = np.transpose(labels, [letters.index(letter) for letter in order])
    place = pick_axes(place, order)
    if pixel_size is not None:
        place = _sized(place, pixel_size)
    return LabelPixels(labels, "".join(order), place, channels, tuple(dict.fromkeys(notes)))


def _beside(folder: Path) -> list[LabelFile]:
    """Labels that a program saved beside the images, recognized by name ("a_cp_masks.png" for "a.tif")."""
    from napari_grd.io.listing import list_pairs

    try:
        pairs = list_pairs(folder).pairs
    except DataError:  # there are no images
        return []
    return [LabelFile(pair.name, pair.labels, pair.image) for pair in pairs if pair.labels is not None]


def _not_labels(labels: Any) -> str:
    """Why labels are probably an image: objects have few connected components, gray values thousands."""
    import numpy as np
    from skimage.measure import label

    plane = labels[tuple(length // 2 for length in labels.shape[:-2])]
    count = len(np.unique(plane[plane > 0]))
    if count < _MANY:
        return ""
    pieces = int(label(plane, background=0, connectivity=1).max())  # type: ignore[no-untyped-call]
    return f"its {count:,} values form {pieces:,} pieces" if pieces > _SCATTERED * count else ""


def _is_folder(path: Path) -> bool:
    return path.is_dir() and path.suffix.lower() != ".zarr"


def _says_size(place: "Calibration") -> bool:
    return any(place.units) or any(step != 1 for step in place.scale)


def _sized(place: "Calibration", steps: tuple[float, ...]) -> "Calibration":
    space = [i for i, axis in enumerate(place.axes) if axis in "zyx"]
    if len(steps) == 1:
        steps *= len(space)
    if len(steps) != len(space):
        raise ConfigError(
            f"--pixel-size has {len(steps)} numbers, and the axes are {''.join(place.axes)!r}.",
            "Give one number, or one for each axis of space.",
        )
    scale, units, origin = list(place.scale), list(place.units), list(place.translate)
    for i, step in zip(space, steps, strict=True):
        scale[i], units[i], origin[i] = step, "micrometer", 0.0
    return replace(place, scale=tuple(scale), units=tuple(units), translate=tuple(origin))
