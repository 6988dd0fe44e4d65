"""Corrections on another segmentation of the same image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.evidence import Evidence


def replay(labels: Any, evidence: Evidence, corrections: Corrections) -> NDArray[np.uint32]:
    """Labels with all corrections in them, in the order they were made.

    Parameters
    ----------
    labels : integer array, shape (*planes, H, W)
        A fresh segmentation of the image; it is left as it is.
    evidence : Evidence
        What the network said.
    corrections : Corrections
        They are left as they are.

    Returns
    -------
    uint32 array, shape (*planes, H, W)
        Objects that no correction touched keep their ids.

    Raises
    ------
    LabelError
        If the labels are none, or not of the image's shape.

    Examples
    --------
    >>> from napari_grd.corrections import ImageRef, Join, Predictions
    >>> labels = np.array([[1, 1, 2, 2]])
    >>> replay(labels, Predictions(), Corrections(ImageRef((1, 4)), [Join([(0, 0), (0, 3)])])).tolist()
    [[1, 1, 1, 1]]
    """
    return Editor(labels, corrections, evidence).labels
