"""A layer under correction: keeps layer, editor and journal consistent."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_grd._napari.correct.jobs import CorrectionContext
from napari_grd._napari.correct.target import Plane
from napari_grd.corrections import Accept, Corrections
from napari_grd.corrections.tools import painted_corrections
from napari_grd.errors import GrdError

if TYPE_CHECKING:
    from napari_grd.corrections import Correction
    from napari_grd.corrections.editor import Change


class Session:
    """Keeps layer, editor and journal in step.

    The layer shows a copy of the editor's labels: what is painted into it
    is found by comparing the two, and becomes corrections.

    Parameters
    ----------
    context : CorrectionContext
    on_corrections : callable
        Called with the corrections equivalent to a stroke of napari's brush; the stroke itself is reverted.
    on_changed : callable
        Called with the plane after every change; of a link, the second one.
    """

    def __init__(
        self,
        viewer: Any,
        context: CorrectionContext,
        *,
        on_corrections: "Callable[[list[Correction]], object]",
        on_changed: Callable[[Plane], object],
    ) -> None:
        self._viewer = viewer
        self.target = context.request.target
        self.layer = self.target.layer
        self.context = context
        self.editor = context.editor
        self._accepted: dict[Plane, dict[str, int]] = {}
        self._on_corrections = on_corrections
        self._on_changed = on_changed
        self._shown = context.editor.labels.copy()
        data = self.target.on_layer(self._shown)
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
        """All corrections."""
        return self.context.journal.corrections

    def accepted(self, plane: Plane) -> set[int]:
        """Labels of the accepted objects of a plane that have not changed since."""
        return set(self._accepted.get(plane, {}).values())

    def stands(self, correction: "Correction") -> bool:
        """Whether a correction still describes the labels: all but acceptances of objects that have changed since."""
        return not isinstance(correction, Accept) or correction.id in self._accepted.get(correction.plane, {})

    @property
    def trainable(self) -> int:
        """About how many objects a model could learn from."""
        return sum(self.stands(made) and not made.between_planes for made in self.corrections)

    def objects(self, plane: Plane) -> int:
        """How many objects a plane has."""
        found = np.unique(self.editor.labels[plane])
        return int(np.count_nonzero(found))

    def free_number(self) -> int:
        """A number that no object has."""
        return int(self.editor.labels.max()) + 1

    def apply(self, corrections: "Iterable[Correction]") -> None:
        """Apply corrections, as one for undo.

        Raises
        ------
        GrdError
            If one cannot be written down, or does not fit the image; it is then not made.
        """
        self._step(lambda: self.editor.apply_group(corrections))

    def undo(self) -> Plane | None:
        """Take the last correction back; the plane it was on, None if there is none."""
        return self._step(self.editor.undo)

    def redo(self) -> Plane | None:
        """Make the correction that was undone last again."""
        return self._step(self.editor.redo)

    def merge(self, other: Corrections) -> None:
        """Take in another's corrections, and make all of them again in the order of their times.

        Raises
        ------
        GrdError
            If they are of another image, or cannot be written down.
        """
        journal = self.context.journal
        journal.merge(other)
        self.editor.rebuild(self.context.labels)
        self._show_all()
        self._on_changed(self.target.current_plane(self._viewer))

    def close(self) -> None:
        """Fold the journal into its file, and leave the layer as it is."""
        self.layer.events.paint.disconnect(self._painted)
        self.layer.data = self.layer.data  # what napari could undo is not what there is
        journal = self.context.journal
        try:
            if journal.corrections.entries:
                journal.compact()
            else:
                with suppress(OSError):  # not on Windows, where it is open
                    journal.journal_path.unlink(missing_ok=True)
        finally:
            journal.close()

    def _step(self, step: "Callable[[], tuple[Change, ...]]") -> Plane | None:
        try:
            changes = step()
        except GrdError:
            self._show_all()  # a part of it may have been done
            raise
        for change in changes:
            self._show(change)
        if not changes:
            return None
        self._tell(changes[-1].plane)
        return changes[-1].plane

    def _show_all(self) -> None:
        self._shown[...] = self.editor.labels
        self.layer.refresh()
        for plane in self.corrections.planes:
            self._look_at(plane)

    def _show(self, change: "Change") -> None:
        for part in (change, *change.elsewhere):
            self._shown[part.plane][part.window] = self.editor.labels[part.plane][part.window]
        for part in change.elsewhere:
            self._look_at(part.plane)
        self.layer.refresh(extent=False, highlight=False, thumbnail=False)

    def _tell(self, plane: Plane) -> None:
        self._look_at(plane)
        self._on_changed(plane)

    def _look_at(self, plane: Plane) -> None:
        self._accepted[plane] = self.editor.accepted(plane)

    def _painted(self, _event: Any) -> None:
        """Revert what was painted with napari's tools, and pass on the equivalent corrections."""
        if self.layer.n_edit_dimensions > 2:
            planes = list(np.ndindex(*self.target.shape[:-2]))
        else:
            planes = [self.target.current_plane(self._viewer)]
        found: list[Correction] = []
        for plane in planes:
            before = self.editor.labels[plane]
            found += painted_corrections(before, self._shown[plane], plane)
            self._shown[plane] = before
        if found:
            self._on_corrections(found)
        self.layer.refresh(extent=False, highlight=False)
