"""Labels under correction: corrections in, changed labels out, with undo."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.constraint_history import ConstraintHistory
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import Journal
from napari_grd.corrections.kinds import Accept, Correction, Link, Unlink
from napari_grd.corrections.links import new_ids, rename
from napari_grd.corrections.plane import PlaneLabels, grown, part_like, picked
from napari_grd.corrections.predictions import PredictionSource
from napari_grd.corrections.region import Region
from napari_grd.corrections.solve import Solved, solve
from napari_grd.errors import CorrectionError, LabelError
from napari_grd.graph.constraints import Constraints
from napari_grd.io.label_values import stored_type

Plane = tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """Where labels may differ now.

    Attributes
    ----------
    plane : tuple of int
        Index of the plane; of a link, the second one.
    window : (slice, slice)
        Rows and columns; empty if nothing changed.
    ids : tuple of int
        Objects that gained or lost pixels there, sorted.
    elsewhere : tuple of Change
        The same for other planes; only links change any.
    """

    plane: Plane
    window: tuple[slice, slice]
    ids: tuple[int, ...]
    elsewhere: tuple["Change", ...] = ()


@dataclass(frozen=True, eq=False)
class Part:
    """What a correction did to a plane: the constraints before it, and the changed labels."""

    plane: Plane
    before: ConstraintHistory
    solved: Solved

    @property
    def change(self) -> Change:
        """Where labels may differ."""
        y0, x0, y1, x1 = self.solved.box
        differ = self.solved.before != self.solved.after
        ids = np.union1d(self.solved.before[differ], self.solved.after[differ])
        return Change(self.plane, (slice(y0, y1), slice(x0, x1)), tuple(ids[ids > 0].tolist()))


@dataclass(frozen=True, eq=False)
class Step:
    """A correction that was made, with all that it takes to undo it.

    Attributes
    ----------
    id : str
        Of the correction.
    parts : tuple of Part
        At least one, no two of a plane.
    """

    id: str
    parts: tuple[Part, ...]

    @property
    def change(self) -> Change:
        """Where labels may differ."""
        main, *others = (part.change for part in self.parts)
        return Change(main.plane, main.window, main.ids, tuple(others))


Labels = NDArray[np.uint32]


class Editor:
    """Labels of an image under correction: applies, undoes and redoes corrections, and returns what changed.

    Parameters
    ----------
    labels : integer array, shape (*planes, H, W)
        A segmentation, 0 is background. It is copied.
    corrections : Corrections or Journal
        Where corrections are written down. Those already in it are made on the labels, one after the other.
    predictions : PredictionSource
        Predictions by plane, e.g. :class:`~napari_grd.corrections.predictions.Predictions`. In planes
        without one, boundaries run half-way between the objects that are separated.

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

    def __init__(self, labels: Any, corrections: Corrections | Journal, predictions: PredictionSource) -> None:
        self.labels = _checked(labels, _collection(corrections).image)
        self._corrections = corrections
        self._predictions = predictions
        self._groups: dict[str, str] = {}  # id of a correction to that of the first one of its group
        self._start()

    def rebuild(self, labels: Any) -> None:
        """Begin with other labels of the image, and apply all corrections to them.

        Parameters
        ----------
        labels : integer array, shape (*planes, H, W)
            A segmentation without the corrections.

        Raises
        ------
        LabelError
            If the labels are none, or not of the image's shape.
        """
        self.labels[...] = _checked(labels, self.corrections.image)
        self._start()

    def _start(self) -> None:
        self._largest = int(self.labels.max())
        self._planes: dict[Plane, PlaneLabels] = {}
        self._history: dict[Plane, ConstraintHistory] = {}
        self._done: list[Step] = []
        self._undone: list[Step] = []
        for correction in self.corrections:
            self._make(correction)

    @property
    def corrections(self) -> Corrections:
        """All that was corrected."""
        return _collection(self._corrections)

    def constraints(self, plane: Plane = ()) -> Constraints:
        """All constraints of a plane that still count; they hold in the labels."""
        return self._history.get(plane, ConstraintHistory()).constraints

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
        return self.apply_group([correction])[0]

    def apply_group(self, corrections: Iterable[Correction]) -> tuple[Change, ...]:
        """Apply corrections that :meth:`undo` and :meth:`redo` take as one.

        Groups last as long as the editor: corrections of a file are undone one by one.

        Parameters
        ----------
        corrections : iterable of Correction
            E.g. all that one stroke of a brush means.

        Returns
        -------
        tuple of Change
            One for each correction.

        Raises
        ------
        CorrectionError
            If one does not fit the image, or was applied before.
        OutputError
            If one cannot be written down. Those before it are applied, and are a group of their own.

        Examples
        --------
        >>> from napari_grd.corrections import Erase, ImageRef, Predictions
        >>> editor = Editor(np.ones((1, 4), int), Corrections(ImageRef((1, 4))), Predictions())
        >>> _ = editor.apply_group([Erase(Region([(0, 0, 1)]), (0, 1)), Erase(Region([(0, 3, 1)]), (0, 1))])
        >>> len(editor.undo()), editor.labels.tolist()
        (2, [[1, 1, 1, 1]])
        """
        first, changes = None, []
        for correction in corrections:
            made = self._corrections.add(correction)
            first = first or made.id
            self._groups[made.id] = first
            self._undone.clear()
            changes.append(self._make(made))
        return tuple(changes)

    def undo(self) -> tuple[Change, ...]:
        """Take the last correction, or group of corrections, back, exactly.

        Returns
        -------
        tuple of Change
            What changed; empty if there is nothing to undo.
        """
        return self._step_group(self._undo, lambda: self.undoable)

    def redo(self) -> tuple[Change, ...]:
        """Apply the correction, or group, that was undone last again.

        Returns
        -------
        tuple of Change
            What changed; empty if nothing was undone, or a correction was applied since.
        """
        return self._step_group(self._redo, lambda: self.redoable)

    def _step_group(
        self, step: Callable[[Correction], Change], upcoming: Callable[[], Correction | None]
    ) -> tuple[Change, ...]:
        changes, correction = [], upcoming()
        while correction is not None:
            changes.append(step(correction))
            group, correction = self._groups.get(correction.id), upcoming()
            if group is None or correction is None or self._groups.get(correction.id) != group:
                break
        return tuple(changes)

    def _undo(self, correction: Correction) -> Change:
        self._expect(correction, self._done)
        self._corrections.undo()
        step = self._done.pop()
        self._undone.append(step)
        for part in step.parts:
            self._history[part.plane] = part.before
            self._plane(part.plane).write(part.solved.box, part.solved.before)
        return step.change

    def _redo(self, correction: Correction) -> Change:
        if self._undone:
            self._expect(correction, self._undone)
        self._corrections.redo()
        if not self._undone:  # it was undone before the file was opened
            return self._make(correction)
        step = self._undone.pop()
        self._done.append(step)
        for part in step.parts:
            self._history[part.plane] = part.solved.history
            self._plane(part.plane).write(part.solved.box, part.solved.after)
        return step.change

    def accepted(self, plane: Plane = ()) -> dict[str, int]:
        """The accepted objects of a plane that have exactly the pixels that were accepted.

        Returns
        -------
        dict of str to int
            The id of the acceptance, and the label of the object.
        """
        here = self._plane(plane)
        made = (correction for correction in self.corrections.of_plane(plane) if isinstance(correction, Accept))
        labels = {accepted.id: here.label_of(accepted.region) for accepted in made}
        return {id_: label for id_, label in labels.items() if label}

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
        here, prediction = self._plane(plane), self._predictions.of(plane)
        if not self.object_at(pixel, plane):
            return picked(here, prediction, pixel, growth)
        return grown(here, prediction, pixel, growth)

    def part_at(self, pixel: tuple[int, int], plane: Plane = (), growth: float = 0.0) -> Region | None:
        """The part of the object at a pixel whose embedding is like that of the pixel; None without a prediction."""
        self._check(pixel, plane)
        prediction = self._predictions.of(plane)
        return None if prediction is None else part_like(self._plane(plane), prediction, pixel, growth)

    def region_at(self, pixel: tuple[int, int], plane: Plane = ()) -> Region | None:
        """The pixels of the object at a pixel; None for background."""
        label = self.object_at(pixel, plane)
        return self._plane(plane).region(label) if label else None

    def _make(self, correction: Correction) -> Change:
        if isinstance(correction, Link | Unlink):
            parts = self._between_planes(correction)
        else:
            parts = (self._solved(correction),)
        step = Step(correction.id, parts)
        for part in step.parts:
            self._history[part.plane] = part.solved.history
            self._largest = max(self._largest, int(part.solved.after.max(initial=0)))
        self._done.append(step)
        return step.change

    def _solved(self, correction: Correction) -> Part:
        plane = correction.plane
        history = self._history.get(plane, ConstraintHistory())
        solved = solve(self._plane(plane), history, correction, self._predictions.of(plane), self._largest)
        return Part(plane, history, solved)

    def _between_planes(self, correction: Link | Unlink) -> tuple[Part, ...]:
        ids = new_ids(correction, self.labels, lambda plane, label: self._plane(plane).holds(label), self._largest + 1)
        # The plane that was clicked last comes first, whether it changes or not.
        planes = sorted({correction.other, *ids}, key=lambda plane: (plane != correction.other, plane))
        before = [self._history.get(plane, ConstraintHistory()) for plane in planes]
        return tuple(
            Part(plane, now, rename(self._plane(plane), now, ids.get(plane, {})))
            for plane, now in zip(planes, before, strict=True)
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
