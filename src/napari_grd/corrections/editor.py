"""Labels under correction: corrections in, changed labels out, with undo."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.correction import Correction, Plane
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Split
from napari_grd.corrections.plane import Labels, PlaneLabels, grown, part_like, picked
from napari_grd.corrections.predictions import Predictions
from napari_grd.corrections.region import Region, window
from napari_grd.corrections.solve import Solved, rename, solve
from napari_grd.corrections.through_planes import new_ids, through_planes
from napari_grd.errors import CorrectionError, LabelError
from napari_grd.graph.constraints import Constraints
from napari_grd.io.label_values import stored_type


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
        The same for other planes, of links and of corrections of volumes.
    """

    plane: Plane
    window: tuple[slice, slice]
    ids: tuple[int, ...]
    elsewhere: tuple["Change", ...] = ()

    @classmethod
    def of(cls, parts: "Sequence[Solved]") -> "Change":
        """What a correction changed, plane by plane."""
        changes: list[Change] = []
        for part in parts:
            differ = part.before != part.after
            ids = np.union1d(part.before[differ], part.after[differ])
            changes.append(cls(part.plane.index, window(part.box), tuple(ids[ids > 0].tolist())))
        return replace(changes[0], elsewhere=tuple(changes[1:]))


_Steps = list[tuple[str, tuple[Solved, ...]]]


class Editor:
    """Labels of an image under correction: applies, undoes and redoes corrections, and returns what changed.

    Parameters
    ----------
    labels : integer array, shape (*planes, H, W)
        A segmentation, 0 is background. It is copied.
    corrections : Corrections
        Where corrections are written down, e.g. a :class:`~napari_grd.corrections.Journal`, which survives a crash.
        Those already in it are made on the labels, one after the other.
    predictions : Predictions
        Predictions by plane, e.g. :class:`~napari_grd.corrections.predictions.Predictions`. In planes
        without one, boundaries run half-way between the objects that are separated.

    Attributes
    ----------
    labels : uint32 array, shape (*planes, H, W)
        As they are now; changed in place.
    corrections : Corrections
        All that was corrected.

    Raises
    ------
    LabelError
        If the labels are none, or not of the image's shape.

    Examples
    --------
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Split
    >>> from napari_grd.corrections.predictions import Predictions
    >>> editor = Editor(np.ones((4, 6), int), Corrections(ImageRef((4, 6))), Predictions())
    >>> editor.apply(Split((1, 1), (1, 4))).ids
    (1, 2)
    >>> editor.labels[0]
    array([1, 1, 1, 2, 2, 2], dtype=uint32)
    >>> _ = editor.undo()
    >>> np.unique(editor.labels)
    array([1], dtype=uint32)
    """

    def __init__(self, labels: Any, corrections: Corrections, predictions: Predictions) -> None:
        self.labels = _checked(labels, corrections.image)
        self.corrections = corrections
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
        # What each correction did, with all that it takes to undo it.
        self._done, self._undone = _Steps(), _Steps()
        for correction in self.corrections:
            self._make(correction)

    def constraints(self, plane: Plane = ()) -> Constraints:
        """All constraints of a plane that still count; they hold in the labels."""
        return self._plane(plane).history.constraints

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
        >>> from napari_grd.corrections.image import ImageRef
        >>> from napari_grd.corrections.kinds import Erase
        >>> from napari_grd.corrections.predictions import Predictions
        >>> editor = Editor(np.ones((1, 4), int), Corrections(ImageRef((1, 4))), Predictions())
        >>> _ = editor.apply_group([Erase(Region([(0, 0, 1)]), (0, 1)), Erase(Region([(0, 3, 1)]), (0, 1))])
        >>> len(editor.undo()), editor.labels.tolist()
        (2, [[1, 1, 1, 1]])
        """
        first, changes = None, []
        for correction in corrections:
            made = self.corrections.add(correction)
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
        return self._step(undo=True)

    def redo(self) -> tuple[Change, ...]:
        """Apply the correction, or group, that was undone last again.

        Returns
        -------
        tuple of Change
            What changed; empty if nothing was undone, or a correction was applied since.
        """
        return self._step(undo=False)

    def _step(self, *, undo: bool) -> tuple[Change, ...]:
        record, group = self.corrections, None
        changes: list[Change] = []
        source, target = (self._done, self._undone) if undo else (self._undone, self._done)
        while (upcoming := record.undoable if undo else record.redoable) is not None:
            if changes and (group is None or self._groups.get(upcoming.id) != group):
                break
            group = self._groups.get(upcoming.id)
            if (source or undo) and (not source or source[-1][0] != upcoming.id):
                raise CorrectionError(
                    "The corrections were changed by something else than the editor.", "Make a new editor of them."
                )
            _ = record.undo() if undo else record.redo()
            if not source:  # it was undone before the file was opened
                changes.append(self._make(upcoming))
                continue
            target.append(source.pop())
            for part in target[-1][1]:
                part.undo() if undo else part.redo()
            changes.append(Change.of(target[-1][1]))
        return tuple(changes)

    def accepted(self, plane: Plane = ()) -> dict[str, int]:
        """The accepted objects of a plane that have exactly the pixels that were accepted.

        Returns
        -------
        dict of str to int
            The id of the acceptance, and the label of the object.
        """
        here = self._plane(plane)
        if here.accepted is None:
            accepted = (made for made in self.corrections.of_plane(plane) if made.accepts)
            labels = {made.id: here.label_of(made.whole) for made in accepted if made.whole is not None}
            here.accepted = {id_: label for id_, label in labels.items() if label}
        return here.accepted

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
        if correction.between_planes:
            parts = self._renamed(correction)
        else:
            plane, prediction = self._plane(correction.plane), self._predictions.of(correction.plane)
            parts = (solve(plane, correction, prediction, self._largest),)
            if correction.in_volume:
                *series, z = correction.plane
                stack = [self._plane((*series, index)) for index in range(self.labels.shape[-3])]
                largest = max(self._largest, int(parts[0].after.max(initial=0)))
                parts += tuple(through_planes(parts[0], stack, z, largest))
        self._largest = max(self._largest, *(int(part.after.max(initial=0)) for part in parts))
        self._done.append((correction.id, parts))
        return Change.of(parts)

    def _renamed(self, correction: Correction) -> tuple[Solved, ...]:
        ids = new_ids(correction, self.labels, lambda plane, label: self._plane(plane).holds(label), self._largest + 1)
        clicked_last = correction.places[-1][0]  # it comes first, whether it changes or not
        planes = [clicked_last, *sorted(set(ids) - {clicked_last})]
        return tuple(rename(self._plane(plane), ids.get(plane, {})).finish() for plane in planes)

    def _plane(self, plane: Plane) -> PlaneLabels:
        if plane not in self._planes:
            self._planes[plane] = PlaneLabels(self.labels[plane], plane)
        return self._planes[plane]

    def _check(self, pixel: tuple[int, int], plane: Plane) -> None:
        index, shape = (*plane, *pixel), self.labels.shape
        if len(index) != len(shape) or not all(
            0 <= coordinate < size for coordinate, size in zip(index, shape, strict=True)
        ):
            raise CorrectionError(
                f"The labels of shape {shape} have no pixel {tuple(pixel)} in the plane {tuple(plane)}.",
                "Give y and x in pixels of the image at full resolution.",
            )


def warm_up() -> None:
    """Compile (or load from the cache) what a correction needs, so that the first one does not wait for it."""
    Editor(np.ones((4, 6), np.uint32), Corrections(ImageRef((4, 6))), Predictions()).apply(Split((1, 1), (1, 4)))


def _checked(labels: Any, image: ImageRef) -> Labels:
    array = np.asarray(labels)
    stored_type(array)
    if array.shape != image.shape:
        raise LabelError(f"The labels have shape {array.shape}, their image {image.shape}.", "Pass its own labels.")
    return np.array(array, np.uint32, order="C")
