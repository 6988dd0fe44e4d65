"""Objects as COCO annotations, of one or many images."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_grd import __version__
from napari_grd.io.atomic import atomic_path
from napari_grd.io.objects.source import LabelSource, PlaneObject
from napari_grd.jobs import Job, Stopwatch


class CocoDataset:
    """Images with their annotations, in memory until they are written.

    Every plane of a stack is a separate image with the stack's file name and zero-based "z", "t" and "c". An object has
    one annotation per plane; its "label" is the object's label.

    An object without holes is stored as polygons, which every reader supports; one with holes as uncompressed
    run-length encoding, because COCO polygons have no holes. "iscrowd" is 0 for all: each is a single object.
    """

    def __init__(self) -> None:
        self.images: list[dict[str, Any]] = []
        self._annotations: list[str] = []  # as text: as lists of numbers they would take ten times the memory
        self._categories: dict[str, int] = {}

    def iter_add(self, source: LabelSource, class_of: Callable[[int], str]) -> Job[None]:
        """Add an image or stack with its objects; nothing is added if its labels are invalid.

        Parameters
        ----------
        source : LabelSource
            The labels, and the file name of their image.
        class_of : callable
            Class of an object by its label; each becomes a category.

        Raises
        ------
        LabelError
            If a plane contains invalid labels.
        """
        planes = source.planes()
        watch = Stopwatch("Writing COCO", len(planes))
        height, width = source.shape
        images: list[dict[str, Any]] = []
        annotations: list[str] = []
        for done, plane in enumerate(planes):
            yield watch.progress(done)
            number = len(self.images) + len(images) + 1
            images.append({"id": number, "file_name": source.image, "width": width, "height": height} | plane)
            for segmented in source.objects(plane):
                name = class_of(segmented.label) or "object"
                category = self._categories.setdefault(name, len(self._categories) + 1)
                annotation = {
                    "id": len(self._annotations) + len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    **_shape(segmented, height, width),
                    "label": segmented.label,
                }
                annotations.append(json.dumps(annotation))
        self.images += images
        self._annotations += annotations
        yield watch.progress(len(planes))

    def write(self, path: str | Path) -> Path:
        """Write all added images.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        head: Mapping[str, Any] = {
            "info": {"description": "Objects of label images", "version": f"napari-grd {__version__}"},
            "licenses": [],
            "images": self.images,
            "categories": [
                {"id": number, "name": name, "supercategory": ""} for name, number in self._categories.items()
            ],
        }
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps(head, ensure_ascii=False)[:-1] + ',\n"annotations": [\n')
            file.write(",\n".join(self._annotations) + "\n]}\n")
        return Path(path)


def iter_write_coco(path: str | Path, source: LabelSource, class_of: Callable[[int], str]) -> Job[Path]:
    """Write the objects of one image or stack; as :class:`CocoDataset` for many."""
    dataset = CocoDataset()
    yield from dataset.iter_add(source, class_of)
    return dataset.write(path)


def _shape(segmented: PlaneObject, height: int, width: int) -> dict[str, Any]:
    y, x = segmented.origin
    rows, columns = segmented.mask.shape
    segmentation: Any = (
        {"size": [height, width], "counts": _run_lengths(segmented, height, width)}
        if segmented.has_holes
        else [outer[:-1].ravel().tolist() for (outer,) in segmented.polygons]
    )
    return {"segmentation": segmentation, "area": segmented.area, "bbox": [x, y, columns, rows], "iscrowd": 0}


def _run_lengths(segmented: PlaneObject, height: int, width: int) -> list[int]:
    """Alternating lengths of background and foreground runs, in column-major order."""
    y, x = segmented.origin
    columns, rows = np.nonzero(segmented.mask.T)
    places = (columns + x) * height + rows + y
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts = places[np.concatenate([[0], breaks + 1])]
    stops = places[np.concatenate([breaks, [-1]])] + 1
    edges = np.column_stack([starts, stops]).ravel()
    counts: list[int] = np.diff(np.concatenate([[0], edges, [height * width]])).tolist()
    return counts if counts[-1] else counts[:-1]
