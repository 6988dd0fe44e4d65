"""Labels under correction: gestures in, changes out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.candidate import grown, picked
from napari_grd.corrections.change import Change, Part, Step
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.evidence import Evidence
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import Journal
from napari_grd.corrections.kinds import Correction, Link, Unlink
from napari_grd.corrections.links import new_ids, rename
from napari_grd.corrections.plane import PlaneLabels
from napari_grd.corrections.region import Region
from napari_grd.corrections.said import Said
from napari_grd.corrections.solve import solve
from napari_grd.errors import CorrectionError, LabelError
from napari_grd.graph.constraints import Constraints
from napari_grd.io.label_values import stored_type

Plane = tuple[int, ...]
Labels = NDArray[np.uint32]


class Editor:
    """Labels of an image under correction. Applies gestures, undoes, redoes; says what changed.

    Parameters
    ----------
    labels : integer array, shape (*planes, H, W)
        A segmentation, 0 is background. It is copied.
    corrections : Corrections or Journal
        Where corrections are written down. Those already in it are made on the labels, one after the other.
    evidence : Evidence
        What the network said, e.g. :class:`~napari_grd.corrections.evidence.Predictions`. Where it
        knows nothing, borders run half-way between what is told apart.

    Attributes
    ----------
    labels : uint32 array, shape (*planes, H, W)
        As they are now; changed in place.

    Raises
    ------
    LabelError
        If the labels are none, or not of the image's shape.

    Examples
    --------
    >>> from napari_grd.corrections import ImageRef, Predictions, Split
    >>> editor = Editor(np.ones((4, 6), int), Corrections(ImageRef((4, 6))), Predictions())
    >>> editor.apply(Split((1, 1), (1, 4))).ids
    (1, 2)
    >>> editor.labels[0]
    array([1, 1, 1, 2, 2, 2], dtype=uint32)
    >>> _ = editor.undo()
    >>> np.unique(editor.labels)
    array([1], dtype=uint32)
    """

    def __init__(self, labels: Any, corrections: Corrections | Journal, evidence: Evidence) -> None:
        self.labels = _checked(labels, _collection(corrections).image)
        self._corrections = corrections
        self._evidence = evidence
        self._largest = int(self.labels.max())
        self._planes: dict[Plane, PlaneLabels] = {}
        self._said: dict[Plane, Said] = {}
        self._done: list[Step] = []
        self._undone: list[Step] = []
        for correction in self.corrections:
            self._make(correction)

    @property
    def corrections(self) -> Corrections:
        """All that was corrected."""
        return _collection(self._corrections)

    def said(self, plane: Plane = ()) -> Constraints:
        """All that was said of a plane and still counts; it holds in the labels."""
        return self._said.get(plane, Said()).constraints

    @property
    def undoable(self) -> Correction | None:
        """What the next undo would take back."""
        entry = self.corrections.to_undo()
        return None if entry is None else entry.correction

    @property
    def redoable(self) -> Correction | None:
        """What the next redo would bring back."""
        entry = self.corrections.to_redo()
        return None if entry is None else entry.correction

    def apply(self, correction: Correction) -> Change:
        """Write a correction down, then change the labels.

        Raises
        ------
        CorrectionError
            If it does not fit the image, or was applied before.
        OutputError
            If it cannot be written down. Nothing has changed then.
        """
        made = self._corrections.add(correction)
        self._undone.clear()
        return self._make(made)

    def undo(self) -> Change | None:
        """Take the last correction back, exactly; None if there is none."""
        if self.undoable is None:
            return None
        self._expect(self.undoable, self._done)
        self._corrections.undo()
        step = self._done.pop()
        self._undone.append(step)
        for part in step.parts:
            self._said[part.plane] = part.before
            self._plane(part.plane).write(part.solved.box, part.solved.before)
        return step.change

    def redo(self) -> Change | None:
        """Make the correction undone last again; None if there is none, or one was applied since."""
        redone = self.redoable
        if redone is None:
            return None
        if self._undone:
            self._expect(redone, self._undone)
        self._corrections.redo()
        if not self._undone:  # it was undone before the file was opened
            return self._make(redone)
        step = self._undone.pop()
        self._done.append(step)
        for part in step.parts:
            self._said[part.plane] = part.solved.said
            self._plane(part.plane).write(part.solved.box, part.solved.after)
        return step.change

    def object_at(self, pixel: tuple[int, int], plane: Plane = ()) -> int:
        """The object at a pixel, 0 for background.

        Raises
        ------
        CorrectionError
            If the image does not have the pixel.
        """
        self._check(pixel, plane)
        return int(self.labels[(*plane, *pixel)])

    def candidate(self, pixel: tuple[int, int], plane: Plane = (), growth: float = 0.0) -> Region | None:
        """What a click on a pixel would pick: the object there, else what the embedding gives.

        Parameters
        ----------
        pixel : (int, int)
            Row and column.
        plane : tuple of int
            Index of the plane.
        growth : float, default 0
            Notches of a mouse wheel by which it is grown, or, negative, shrunk.

        Returns
        -------
        Region or None
            None where nothing is to be picked.

        Raises
        ------
        CorrectionError
            If the image does not have the pixel.
        """
        self._check(pixel, plane)
        here, evidence = self._plane(plane), self._evidence.of(plane)
        if not self.object_at(pixel, plane):
            return picked(here, evidence, pixel, growth)
        return grown(here, evidence, pixel, growth)

    def _make(self, correction: Correction) -> Change:
        if isinstance(correction, Link | Unlink):
            step = Step(correction.id, self._through(correction))
        else:
            step = Step(correction.id, (self._solved(correction),))
        for part in step.parts:
            self._said[part.plane] = part.solved.said
            self._largest = max(self._largest, int(part.solved.after.max(initial=0)))
        self._done.append(step)
        return step.change

    def _solved(self, correction: Correction) -> Part:
        plane = correction.plane
        said = self._said.get(plane, Said())
        return Part(plane, said, solve(self._plane(plane), said, correction, self._evidence.of(plane), self._largest))

    def _through(self, correction: Link | Unlink) -> tuple[Part, ...]:
        ids = new_ids(correction, self.labels, lambda plane, label: self._plane(plane).holds(label), self._largest + 1)
        # The plane that was clicked last comes first, whether it changes or not.
        planes = sorted({correction.other, *ids}, key=lambda plane: (plane != correction.other, plane))
        said = [self._said.get(plane, Said()) for plane in planes]
        return tuple(
            Part(plane, now, rename(self._plane(plane), now, ids.get(plane, {})))
            for plane, now in zip(planes, said, strict=True)
        )

    def _plane(self, plane: Plane) -> PlaneLabels:
        if plane not in self._planes:
            self._planes[plane] = PlaneLabels(self.labels[plane])
        return self._planes[plane]

    def _expect(self, correction: Correction, steps: list[Step]) -> None:
        if not steps or steps[-1].id != correction.id:
            raise CorrectionError(
                "The corrections were changed by something else than the editor.", "Make a new editor of them."
            )

    def _check(self, pixel: tuple[int, int], plane: Plane) -> None:
        index, shape = (*plane, *pixel), self.labels.shape
        if len(index) != len(shape) or not all(0 <= at < size for at, size in zip(index, shape, strict=True)):
            raise CorrectionError(
                f"The labels of shape {shape} have no pixel {tuple(pixel)} in the plane {tuple(plane)}.",
                "Give y and x in pixels of the image at full resolution.",
            )


def _collection(corrections: Corrections | Journal) -> Corrections:
    return corrections.corrections if isinstance(corrections, Journal) else corrections


def _checked(labels: Any, image: ImageRef) -> Labels:
    found = np.asarray(labels)
    stored_type(found)
    if found.shape != image.shape:
        raise LabelError(f"The labels have shape {found.shape}, their image {image.shape}.", "Pass its own labels.")
    return np.array(found, np.uint32, order="C")
