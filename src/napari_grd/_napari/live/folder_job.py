"""Segmentation of all images of a folder into label images and tables, as a job for a worker."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_grd.config import SegmentConfig
from napari_grd.errors import DataError, GrdError, OutputError
from napari_grd.jobs import Event, Job, Notice, Stopwatch, relay

if TYPE_CHECKING:
    from napari_grd.models.model import Model


@dataclass(frozen=True, eq=False)
class FolderRequest:
    """What to segment, frozen when the button is pressed.

    Attributes
    ----------
    folder : Path
        Folder of images.
    out : Path
        Folder for the results; created if necessary.
    model : Model
        The model.
    config : SegmentConfig
        Settings of all images.
    tables : bool
        Whether to write a table of the objects of each image.
    skip : bool
        Whether to skip images that have labels; otherwise they are an error.
    """

    folder: Path
    out: Path
    model: "Model"
    config: SegmentConfig
    tables: bool = True
    skip: bool = False


@dataclass
class FolderResult:
    """What came of it.

    Attributes
    ----------
    labels : list of Path
        The label images that were written.
    objects : int
        Number of objects in these.
    skipped : int
        Number of images that had labels.
    failures : dict of str to str
        Messages about images that could not be segmented, by their names.
    """

    labels: list[Path] = field(default_factory=list)
    objects: int = 0
    skipped: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """All of it in a few sentences."""
        images = f"{len(self.labels)} image{'' if len(self.labels) == 1 else 's'}"
        parts = [f"Segmented {images}: {self.objects:,} objects."]
        if self.skipped:
            parts.append(f"{self.skipped} had labels and were skipped.")
        for name, why in list(self.failures.items())[:_MOST]:
            parts.append(f"{name} failed: {why}")
        if len(self.failures) > _MOST:
            parts.append(f"{len(self.failures) - _MOST} more failed.")
        return " ".join(parts)


_MOST = 3  # failures that are shown


@dataclass(frozen=True)
class _Image:
    path: Path
    series: int
    target: Path


def iter_segment_folder(request: FolderRequest) -> Job[FolderResult]:
    """Segment the images of a folder, one after the other.

    An image that cannot be read or segmented is a failure of the result; the others are segmented all the same. Labels
    are written after their table, so that images with labels are complete.

    Raises
    ------
    DataError
        If there is no folder, or no image in it.
    OutputError
        If there are labels already, two images would have the same, or they cannot be written.
    """
    from napari_grd.io.atomic import make_folder

    result = FolderResult()
    images = yield from _plan(request, result)
    existing = [image for image in images if image.target.exists()]
    if existing and not request.skip:
        raise OutputError(
            f"{len(existing)} of the label images exist already, the first is {str(existing[0].target)!r}.",
            "Tick 'Skip images that have labels', or choose another folder for the results.",
        )
    result.skipped = len(existing)
    todo = [image for image in images if image not in existing]
    make_folder(request.out)
    watch = Stopwatch("Segmenting images", len(todo))
    for number, image in enumerate(todo):
        whole = watch.progress(number)
        yield whole
        try:
            yield from relay(_segment_one(request, image, result), partial(_shown, whole))
        except OutputError:  # the next image would fail, too
            raise
        except GrdError as error:
            result.failures[image.path.name] = str(error)
        except (Exception, MemoryError) as error:  # readers of other formats raise anything
            result.failures[image.path.name] = f"{type(error).__name__}: {error}"
    yield watch.progress(len(todo))
    return result


def _plan(request: FolderRequest, result: FolderResult) -> Job[list[_Image]]:
    """Each image of each file, with the file for its labels."""
    from napari_grd.io.images import list_series
    from napari_grd.io.listing import list_images
    from napari_grd.io.names import image_name

    listing = list_images(request.folder)
    yield from (Notice(note) for note in listing.notes)
    watch = Stopwatch("Looking into files", len(listing.images))
    images: list[_Image] = []
    for number, path in enumerate(listing.images):
        yield watch.progress(number)
        try:
            names = list_series(path)
        except GrdError as error:
            result.failures[path.name] = str(error)
            continue
        images += [
            _Image(path, series, request.out / f"{image_name(path, series, names)}.tif") for series in range(len(names))
        ]
    double = [target for target, count in Counter(image.target for image in images).items() if count > 1]
    if double:
        raise OutputError(f"Several images would have the labels {str(double[0])!r}.", "Rename them.")
    own = {image.path.resolve() for image in images}
    if any(image.target.resolve() in own for image in images):
        raise OutputError(f"Labels in {str(request.out)!r} would replace the images.", "Choose another folder.")
    return images


def _segment_one(request: FolderRequest, image: _Image, result: FolderResult) -> Job[None]:
    import numpy as np

    from napari_grd._napari.outputs import provenance
    from napari_grd.inference.fit import fit_channels
    from napari_grd.inference.segment import iter_segment
    from napari_grd.inference.view import with_pixel_size
    from napari_grd.io.images import read_image
    from napari_grd.io.label_pixels import segmented_pixels
    from napari_grd.io.label_tiff import write_labels
    from napari_grd.measurements.objects import iter_measure
    from napari_grd.measurements.units import measuring_units

    model = request.model
    read = read_image(image.path, series=image.series)
    names = ("red", "green", "blue") if read.is_rgb else [channel.name for channel in read.channels]
    fitted = fit_channels(model, read.pixels, read.axes, names=names, is_rgb=read.is_rgb)
    config = with_pixel_size(request.config, model.config, read.calibration.pixel_size)
    labels = yield from iter_segment(model, fitted.pixels, config, axes=fitted.axes)
    segmented = segmented_pixels(labels, read)
    made_by: dict[str, Any] = provenance(model, config, image=image.path.name)
    if request.tables:
        ndim = 3 if "z" in segmented.axes else 2
        options, _ = measuring_units(segmented.calibration, ndim)
        table = yield from iter_measure(segmented.labels, segmented.channels, axes=segmented.axes, ndim=ndim, **options)
        table.save(image.target.with_suffix(".csv"), made_by=made_by)
    write_labels(image.target, segmented.labels, made_by, calibration=segmented.calibration)
    result.labels.append(image.target)
    result.objects += int(np.count_nonzero(np.unique(segmented.labels)))


def _shown(whole: Event, event: Event) -> Event:
    """Progress of the whole folder in place of an image's; notices as they are."""
    return event if isinstance(event, Notice) else whole


def check_folder(text: str) -> Path:
    """The path of a folder that was typed.

    Raises
    ------
    DataError
        If it names none.
    """
    if not text.strip():
        raise DataError("No folder of images is chosen.", "Choose one with the button beside the line.")
    path = Path(text.strip()).expanduser()
    if not path.is_dir():
        raise DataError(f"There is no folder {str(path)!r}.", "Choose a folder of images.")
    return path
