"""Conversion of corrections to training labels."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.correction import Correction
from napari_grd.corrections.region import Region
from napari_grd.data.inputs import IGNORED, as_labels

_NEXT_TO = np.ones((3, 3), bool)
_NARROWEST = 3  # pixels of background around what is known


def training_labels(
    corrections: Corrections, labels: Any, plane: tuple[int, ...] = (), *, rim: int | None = None
) -> NDArray[np.int64]:
    """Training labels of a plane, from its corrections.

    Known are the objects that were accepted (as they were then, unless they
    were corrected later) and those that a correction touched (as they are
    now), a narrow rim of background around both, and what was erased. Nothing
    else is: neither other objects nor the background far from these.

    Parameters
    ----------
    corrections : Corrections
        Of the image.
    labels : int array, shape (H, W)
        The plane as it is segmented now, with the corrections in it; 0 is background.
    plane : tuple of int
        Which plane.
    rim : int, optional
        Width of the rim in pixels. Default: a sixth of the mean diameter of the
        objects, and no less than 3. From a narrower one a student does not learn where
        large objects end.

    Returns
    -------
    int64 array, shape (H, W)
        Objects keep their numbers; one that was accepted and looks different
        now gets a new one. 0 is known background, and
        :data:`~napari_grd.data.inputs.IGNORED` (-1) all unlabeled (ignored) pixels.

    Raises
    ------
    LabelError
        If the labels are none, or not of the image's height and width.

    See Also
    --------
    fine_tune : Fine-tune a model with these labels.
    load_corrections : Read corrections from a file.

    Examples
    --------
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Accept
    >>> from napari_grd.corrections.region import Region
    >>> labels = np.array([[1, 1, 0, 0, 0, 2]])
    >>> accepted = Accept((0, 0), Region([(0, 0, 2)]))
    >>> training_labels(Corrections(ImageRef((1, 6)), [accepted]), labels, rim=2).tolist()
    [[1, 1, 0, 0, -1, -1]]
    """
    segmented = as_labels(labels, corrections.image.plane_shape)
    made = corrections.of_plane(plane)
    corrected = {number for each in made if not each.accepts for number in each.objects_in(segmented)} - {0}
    annotated = np.where(np.isin(segmented, sorted(corrected)), segmented, IGNORED)
    free = int(segmented.max()) + 1
    for region in _accepted(made):
        number = region.label_in(segmented)
        if number <= 0:
            number, free = free, free + 1
        region.paint(annotated, number)
    objects = annotated > 0
    background = np.zeros(objects.shape, bool)
    width = _rim(annotated) if rim is None else rim
    if width > 0 and objects.any():
        background |= ndimage.binary_dilation(objects, _NEXT_TO, iterations=width)
    for correction in made:
        if correction.clears and correction.area is not None:
            correction.area.paint(background, True)
    annotated[background & ~objects & (segmented == 0)] = 0
    return annotated


def _rim(annotated: NDArray[np.int64]) -> int:
    _, areas = np.unique(annotated[annotated > 0], return_counts=True)
    diameter = 2 * math.sqrt(areas.mean() / math.pi) if len(areas) else 0.0
    return max(_NARROWEST, round(diameter / 6))


def _accepted(made: Sequence[Correction]) -> list[Region]:
    """The objects that were accepted, and that no later correction touched."""
    accepted = [(index, each.whole) for index, each in enumerate(made) if each.accepts and each.whole is not None]
    return [region for index, region in accepted if not any(later.touches(region) for later in made[index + 1 :])]
