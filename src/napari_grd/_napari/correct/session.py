"""A layer under correction: keeps layer, editor and journal consistent."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_grd._napari.correct.jobs import CorrectionContext
from napari_grd._napari.outputs import made_by
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.correction import Plane
from napari_grd.corrections.painting import fill_encircled, painted_corrections

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_grd.corrections.correction import Correction
    from napari_grd.corrections.editor import Change


class Session:
    """Keeps layer, editor and journal in step.

    The layer shows a copy of the editor's labels. What is painted into it is found by comparing the two and reverted;
    ``on_painted`` is called with the equivalent corrections, and ``fills`` tells whether strokes make an object of what
    they encircle.
    """

    def __init__(
        self,
        viewer: Any,
        context: CorrectionContext,
        parent: QObject,  # owns a timer, which must be there until close()
        on_painted: "Callable[[list[Correction]], object]",
        fills: "Callable[[], bool]",
    ) -> None:
        self.selecting = False  # whether select() selects a number, and not the user
        self._fills = fills
        self._viewer = viewer
        self.target = context.request.target
        self.layer = self.target.layer
        self.context = context
        self.editor = context.editor
        self.from_nothing = not context.labels.any()  # whether there were no objects before the corrections
        self._on_painted = on_painted
        self._shown = context.editor.labels.copy()
        data = self.target.on_layer(self._shown)
        if self.layer.multiscale:
            steps = [round(data.shape[-1] / level.shape[-1]) for level in self.layer.data]
            self.layer.data = [data[..., ::step, ::step] for step in steps]
        else:
            self.layer.data = data
        self._touched: set[Plane] = set()
        self._later = QTimer(parent, singleShot=True, interval=0)
        self._later.timeout.connect(self.take_painted)
        self.layer.events.paint.connect(self._painted)

    @property
    def corrections(self) -> Corrections:
        """All corrections."""
        return self.editor.corrections

    def accepted(self, plane: Plane) -> set[int]:
        """Labels of the accepted objects of a plane that have not changed since."""
        return set(self.editor.accepted(plane).values())

    def drawn(self, plane: Plane) -> set[int]:
        """Labels of the objects of a plane whose pixels the user gave: picked, drawn or added to."""
        return {self.object_of(made) for made in self.corrections.of_plane(plane) if made.draws} - {0}

    def object_of(self, made: "Correction") -> int:
        """What a correction that draws has become: the label of its object, 0 if there is none any more."""
        assert made.area is not None
        return self.editor.object_at(made.pixels[0] if made.pixels else made.area.runs[0][:2], made.plane)

    @property
    def drawn_diameter(self) -> float | None:
        """Median diameter in pixels of the objects whose pixels the user gave; None without one."""
        areas: list[int] = []
        for plane in self.corrections.planes:
            labels = self.editor.labels[plane]
            areas += [int(np.count_nonzero(labels == number)) for number in self.drawn(plane)]
        return float(2 * np.sqrt(np.median(areas) / np.pi)) if areas else None

    def stands(self, correction: "Correction") -> bool:
        """Whether a correction still describes the labels: all but acceptances of objects that have changed since."""
        return not correction.accepts or correction.id in self.editor.accepted(correction.plane)

    @property
    def teaches(self) -> bool:
        """Whether a model could learn anything from the corrections, objects or background."""
        return any(self.stands(made) and not made.between_planes for made in self.corrections)

    @property
    def trainable(self) -> int:
        """About how many objects a model could learn from; background alone is none."""
        return sum(
            self.stands(made) and not made.between_planes and (not made.clears or made.pixels != ())
            for made in self.corrections
        )

    def merge(self, other: Corrections) -> Corrections:
        """Take in another's corrections, and make all of them again in the order of their times."""
        self.context.journal.merge(other)
        self.editor.rebuild(self.context.labels)
        self.show_all()
        return self.corrections

    def close(self) -> None:
        """Fold the journal into its file, and leave the layer as it is."""
        self.layer.events.paint.disconnect(self._painted)
        self._later.stop()
        self._later.deleteLater()
        self.layer.data = self.layer.data  # what napari could undo is not what there is
        with self.context.journal as journal:
            if journal.entries:
                journal.compact()
            else:
                with suppress(OSError):  # not on Windows, where it is open
                    journal.journal_path.unlink(missing_ok=True)

    def select(self, number: int) -> None:
        """Select an object of the layer that the user did not choose."""
        self.selecting = True
        try:
            self.layer.selected_label = number
        finally:
            self.selecting = False

    def mark(self) -> None:
        """Let the layer say how many corrections it contains."""
        made = {key: value for key, value in made_by(self.layer).items() if key != "corrected"}
        count = len(self.corrections)
        self.layer.metadata["napari_grd"] = made | ({"corrected": count} if count else {})

    def show(self, changes: "Iterable[Change]") -> None:
        """Show what the editor changed."""
        for change in changes:
            for part in (change, *change.elsewhere):
                self._shown[part.plane][part.window] = self.editor.labels[part.plane][part.window]
        self.layer.refresh(extent=False, highlight=False, thumbnail=False)

    def show_all(self) -> None:
        """Show all of the editor's labels."""
        self._shown[...] = self.editor.labels
        self.layer.refresh()

    def _painted(self, _event: Any) -> None:
        """Note the planes that are being painted into: napari announces a polygon before it writes its pixels."""
        if self.layer.n_edit_dimensions > 2:
            self._touched.update(np.ndindex(*self.target.shape[:-2]))
        else:
            self._touched.add(self.target.current_plane(self._viewer))
        self._later.start()

    def take_painted(self) -> None:
        """Revert what was painted with napari's tools, and pass on the equivalent corrections.

        Called soon after each stroke, and before anything that depends on the labels.
        """
        self._later.stop()
        planes, self._touched = sorted(self._touched), set()
        painted: list[Correction] = []
        for plane in planes:
            before = self.editor.labels[plane]
            after = fill_encircled(before, self._shown[plane]) if self._fills() else self._shown[plane]
            painted += painted_corrections(before, after, plane)
            self._shown[plane] = before
        if painted:
            self._on_painted(painted)
        if planes:
            self.layer.refresh(extent=False, highlight=False)
