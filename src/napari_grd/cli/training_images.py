"""What a folder of images comes to for a training: what is held out, and patches that fit."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from napari_grd.config import TrainConfig
from napari_grd.errors import DataError
from napari_grd.io.folders import ImageFolder, iter_read
from napari_grd.jobs import Job, Notice

C = TypeVar("C", bound=TrainConfig)
_FITTING = 0.9  # this share of the images has to be as large as a patch
_SMALLEST = 32


@dataclass(frozen=True)
class TrainingImages:
    """Images to train on, and to compare on.

    Attributes
    ----------
    training, held : ImageFolder
        To train on, and held out.
    any_labels : bool
        Whether an image of the folder has labels.
    """

    training: ImageFolder
    held: ImageFolder
    any_labels: bool


def iter_training_images(
    source: Path, axes: str | None, hold_out: float, group: str | None, *, labeled: bool = False
) -> Job[TrainingImages]:
    """Read a folder and hold some of it out, as a job.

    Parameters
    ----------
    source : Path
        The folder.
    axes : str or None
        Axes of every image, if not what the files say.
    hold_out : float
        Fraction to hold out.
    group : str or None
        See :meth:`~napari_grd.io.folders.ImageFolder.hold_out`.
    labeled : bool
        Whether images without labels are left out.

    Raises
    ------
    DataError
        If the folder cannot be used, or there is nothing to hold out.
    """
    data = yield from iter_read(source, axes)
    known = data.labeled()
    if labeled and not known.images:
        raise DataError(
            f"No image in {str(source)!r} has labels.", "Put labels of the same names in its subfolder 'labels'."
        )
    training, held = (known if labeled else data).hold_out(hold_out, group)
    return TrainingImages(training, held, bool(known.images))


def iter_fit(data: ImageFolder, config: C, *, patch_given: bool) -> Job[tuple[ImageFolder, C]]:
    """Take from the images what the settings leave open, as a job: the size of patches and of pixels.

    Patches become small enough for nearly all images, and the others are left out.

    Parameters
    ----------
    data : ImageFolder
        Images to train on.
    config : TrainConfig
        Settings.
    patch_given : bool
        Whether the user has said how large a patch is; then all stays as it is.
    """
    from napari_grd.models import registry

    if config.pixel_size is None:
        config = config.replace(pixel_size=data.pixel_size)
    sides = [min(image.shape[data.axes.index(axis)] for axis in "yx") for image in data.images] if data.axes else []
    if patch_given or not sides or min(sides) >= config.patch:
        return data, config
    stride = registry.entry(config.network.name).stride
    fitting = sorted(sides)[int((1 - _FITTING) * len(sides))] // stride * stride
    patch = min(config.patch, max(_SMALLEST, fitting))
    if patch < config.patch:
        yield Notice(f"Patches of {patch} pixels are drawn, not of {config.patch}: some images are not larger.")
        config = config.replace(patch=patch)
    small = [place for place, side in enumerate(sides) if side < patch]
    if small and len(small) < len(sides):
        names = ", ".join(data.names[place] for place in small[:5]) + (", ..." if len(small) > 5 else "")
        yield Notice(f"{len(small)} image(s) smaller than a patch of {patch} pixels were left out: {names}.")
        data = data.take([place for place in range(len(sides)) if place not in small])
    return data, config
