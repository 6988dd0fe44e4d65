"""One layer under correction: what is said is written down, solved, and shown."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.correct.objects import Pixel, piece_at
from napari_grd._napari.correct.painting import painted
from napari_grd._napari.correct.subject import Plane
from napari_grd._napari.correct.verified import Verified
from napari_grd.corrections import Accept, Corrections, Link, Unlink

if TYPE_CHECKING:
    from napari_grd._napari.correct.opening import Opened
    from napari_grd.corrections import Correction, Region
    from napari_grd.corrections.change import Change


class Session:
    """Keeps layer, editor and journal in step.

    The layer shows a copy of the editor's labels: what somebody paints into it
    is found by comparing the two, and becomes a correction.

    Parameters
    ----------
    opened : Opened
    said : callable
        Called with the corrections that a stroke of napari's brush means; nothing is painted before they are applied.
    changed : callable
        Called with the plane after every change; of a link, the second one.
    """

    def __init__(
        self,
        viewer: Any,
        opened: "Opened",
        *,
        said: "Callable[[list[Correction]], object]",
        changed: Callable[[Plane], object],
    ) -> None:
        self._viewer = viewer
        self.subject = opened.order.subject
        self.layer = self.subject.layer
        self.opened = opened
        self.editor = opened.editor
        self.verified = Verified()
        self._said = said
        self._changed = changed
        self._together: dict[str, str] = {}  # corrections that one stroke of the brush made are undone as one
        self._shown = opened.editor.labels.copy()
        data = self.subject.on_layer(self._shown)
        if self.layer.multiscale:
            steps = [round(data.shape[-1] / level.shape[-1]) for level in self.layer.data]
            self.layer.data = [data[..., ::step, ::step] for step in steps]
        else:
            self.layer.data = data
        self.layer.events.paint.connect(self._painted)
        for plane in self.corrections.planes:
            self._look_at(plane)

    @property
    def corrections(self) -> Corrections:
        """What was said so far."""
        return self.opened.journal.corrections

    @property
    def labels(self) -> NDArray[np.uint32]:
        """What gestures are about; see :class:`napari_grd._napari.correct.objects.Objects`."""
        return self.editor.labels

    def candidate(self, pixel: Pixel, plane: Plane = (), growth: float = 0.0) -> "Region | None":
        """What a click would pick."""
        return self.editor.candidate(pixel, plane, growth)

    def object_at(self, pixel: Pixel, plane: Plane = ()) -> int:
        """The object at a pixel, 0: none."""
        return self.editor.object_at(pixel, plane)

    @property
    def lessons(self) -> int:
        """About how many objects a model could learn from."""
        accepted = sum(self.verified.holds(one) for one in self.corrections)
        return accepted + sum(not isinstance(one, Accept | Link | Unlink) for one in self.corrections)

    def objects(self, plane: Plane) -> int:
        """How many objects a plane has."""
        found = np.unique(self.editor.labels[plane])
        return int(np.count_nonzero(found))

    def free_number(self) -> int:
        """A number that no object has."""
        return int(self.editor.labels.max()) + 1

    def piece(self, pixel: Pixel, plane: Plane, growth: float) -> "Region | None":
        """The part of the object at a pixel that the embedding finds like the pixel."""
        return piece_at(self.editor.labels[plane], self.opened.evidence.of(plane), pixel, growth)

    def apply(self, corrections: "Iterable[Correction]") -> list[int]:
        """Make corrections, as one for whoever undoes them.

        Returns
        -------
        list of int
            Numbers of the objects that changed.

        Raises
        ------
        GrdError
            If one cannot be written down, or does not fit the image; it is then not made.
        """
        group, ids, plane = str(uuid4()), list[int](), None
        try:
            for one in corrections:
                change = self.editor.apply(one)
                self._together[one.id] = group
                plane = change.plane
                ids += change.ids
                self._show(change)
        finally:
            if plane is not None:
                self._tell(plane)
        return ids

    def undo(self) -> Plane | None:
        """Take the last correction back; the plane it was on, None if there is none."""
        return self._step(self.editor.undo, lambda: self.editor.undoable)

    def redo(self) -> Plane | None:
        """Make the correction that was undone last again."""
        return self._step(self.editor.redo, lambda: self.editor.redoable)

    def merge(self, other: Corrections) -> None:
        """Take in another's corrections, and make all of them again in the order of their times.

        Raises
        ------
        GrdError
            If they are of another image, or cannot be written down.
        """
        journal = self.opened.journal
        journal.merge(other)
        self.editor = self.opened.renewed()
        self._shown[...] = self.editor.labels
        self.layer.refresh()
        for plane in self.corrections.planes:
            self._look_at(plane)
        self._changed(self.subject.current_plane(self._viewer))

    def close(self) -> None:
        """Fold the journal into its file, and leave the layer as it is."""
        self.layer.events.paint.disconnect(self._painted)
        self.layer.data = self.layer.data  # what napari could undo is not what there is
        journal = self.opened.journal
        try:
            if journal.corrections.entries:
                journal.compact()
            else:
                with suppress(OSError):  # not on Windows, where it is open
                    journal.journal_path.unlink(missing_ok=True)
        finally:
            journal.close()

    def _step(self, step: "Callable[[], Change | None]", upcoming: "Callable[[], Correction | None]") -> Plane | None:
        about, plane = upcoming(), None
        group = None if about is None else self._together.get(about.id)
        while about is not None:
            change = step()
            if change is not None:
                plane = change.plane
                self._show(change)
            about = upcoming()
            if group is None or about is None or self._together.get(about.id) != group:
                break
        if plane is not None:
            self._tell(plane)
        return plane

    def _show(self, change: "Change") -> None:
        for part in (change, *change.elsewhere):
            self._shown[part.plane][part.window] = self.editor.labels[part.plane][part.window]
        for part in change.elsewhere:
            self._look_at(part.plane)
        self.layer.refresh(extent=False, highlight=False, thumbnail=False)

    def _tell(self, plane: Plane) -> None:
        self._look_at(plane)
        self._changed(plane)

    def _look_at(self, plane: Plane) -> None:
        self.verified.look(plane, self.editor.labels[plane], self.corrections.of_plane(plane))

    def _painted(self, _event: Any) -> None:
        """Something was painted with napari's tools: take it back, and say what it means."""
        if self.layer.n_edit_dimensions > 2:
            planes = list(np.ndindex(*self.subject.shape[:-2]))
        else:
            planes = [self.subject.current_plane(self._viewer)]
        found: list[Correction] = []
        for plane in planes:
            before = self.editor.labels[plane]
            found += painted(before, self._shown[plane], plane)
            self._shown[plane] = before
        if found:
            self._said(found)
        self.layer.refresh(extent=False, highlight=False)
