"""Objects as ImageJ regions of interest."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

from napari_grd.errors import OutputError
from napari_grd.io.atomic import atomic_path
from napari_grd.io.objects.source import LabelSource, PlaneObject
from napari_grd.io.outlines import Polygon
from napari_grd.jobs import Job, Stopwatch

_DIGITS = 4  # minimum number of digits of a number in a name
_LARGEST = 60_535  # integer coordinate: ImageJ reads larger ones as negative
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # of java.awt.geom.PathIterator


def iter_write_imagej(path: str | Path, source: LabelSource) -> Job[Path]:
    """Write a zip for ImageJ's ROI Manager, or a .roi file for a single object.

    An object of one part without holes becomes a traced region, like those of ImageJ's wand, any other a composite one.
    Names are the object's label and, for stacks, the plane ("0007-t02-z11", one-based as in ImageJ).

    Raises
    ------
    LabelError
        If a plane contains invalid labels.
    OutputError
        If the file cannot be written, or a .roi file is requested for several objects.
    """
    path = Path(path)
    planes = source.planes()
    watch = Stopwatch("Writing ImageJ ROIs", len(planes))
    if path.suffix.lower() == ".roi":
        rois = [roi for plane in planes for roi in _rois(source, plane)]
        if len(rois) != 1:
            raise OutputError(
                f"{str(path)!r} can contain only one region, but the labels have {len(rois)}.", "Use the suffix .zip."
            )
        with atomic_path(path) as temporary:
            temporary.write_bytes(rois[0].tobytes())
        yield watch.progress(len(planes))
        return path
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for done, plane in enumerate(planes):
            yield watch.progress(done)
            for roi in _rois(source, plane):
                archive.writestr(f"{roi.name}.roi", roi.tobytes())
    yield watch.progress(len(planes))
    return path


def _rois(source: LabelSource, plane: Mapping[str, int]) -> Iterator[ImagejRoi]:
    # An axis of one plane needs no number.
    lengths = {axis: length for axis, length in source.lengths.items() if length > 1}
    places = {axis: plane[axis] + 1 for axis in lengths}
    where = "".join(f"-{axis}{place:0{len(str(lengths[axis]))}}" for axis, place in places.items())
    for segmented in source.objects(plane):
        roi = _roi(segmented)
        roi.name = f"{segmented.label:0{_DIGITS}}{where}"
        # A stack with one axis may not be a hyperstack, and then only has a plane index.
        roi.position = next(iter(places.values())) if len(places) == 1 else 0
        roi.c_position, roi.z_position, roi.t_position = (places.get(axis, 0) for axis in "czt")
        yield roi


def _roi(segmented: PlaneObject) -> ImagejRoi:
    roi = ImagejRoi()
    roi.top, roi.left = segmented.origin
    roi.bottom, roi.right = roi.top + segmented.mask.shape[0], roi.left + segmented.mask.shape[1]
    polygons = segmented.polygons
    if len(polygons) > 1 or segmented.has_holes:
        roi.roitype = ROI_TYPE.RECT
        roi.multi_coordinates = _path(polygons)
        roi.shape_roi_size = len(roi.multi_coordinates)
        return roi
    corners = polygons[0][0][:-1]
    roi.roitype = ROI_TYPE.TRACED
    roi.n_coordinates = len(corners)
    roi.integer_coordinates = (corners - [roi.left, roi.top]).astype(np.int32)
    if corners.max() > _LARGEST:
        roi.options = ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        roi.subpixel_coordinates = corners.astype(np.float32)
    return roi


def _path(polygons: list[Polygon]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    steps: list[float] = []
    for polygon in polygons:
        for ring in polygon:
            operation = _MOVE
            for x, y in ring[:-1].tolist():
                steps += (operation, x, y)
                operation = _LINE
            steps.append(_CLOSE)
    return np.array(steps, np.float32)
