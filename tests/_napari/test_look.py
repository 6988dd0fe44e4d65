"""What is written in the docks can be read, in both themes, and fits the screen of a laptop."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtGui import QColor, QImage
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollBar,
    QWidget,
)
from superqt import QCollapsible

from napari_grd._napari.colors import TEXT, contrast
from napari_grd._napari.correct.widget import CorrectWidget
from napari_grd._napari.distill.widget import DistillWidget
from napari_grd._napari.evaluate.widget import EvaluateWidget
from napari_grd._napari.inspect.widget import InspectWidget
from napari_grd._napari.live.widget import LiveWidget
from napari_grd._napari.measure.widget import MeasureWidget
from napari_grd._napari.panel import MESSAGES, Panel
from napari_grd.jobs import StepMetrics

LAPTOP = (1280, 720)
WIDGETS = (LiveWidget, CorrectWidget, DistillWidget, InspectWidget, MeasureWidget, EvaluateWidget)


def pixels(widget: QWidget, panel: Panel) -> np.ndarray[Any, Any]:
    """A part of a panel as it is drawn, also where it is scrolled out of sight: (H, W, 3) uint8."""
    column = panel.scroll.widget()
    behind = column if column.isAncestorOf(widget) else panel
    place = QRect(widget.mapTo(behind, QPoint(0, 0)), widget.size())
    image = behind.grab(place).toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


def drawn_contrast(widget: QWidget, panel: Panel) -> float:
    """The contrast of the strongest color of a widget with the most frequent one, which lies behind its text."""
    colors, counts = np.unique(pixels(widget, panel).reshape(-1, 3), axis=0, return_counts=True)
    behind = QColor(*colors[counts.argmax()].tolist())
    far = np.abs(colors.astype(int) - colors[counts.argmax()].astype(int)).sum(axis=1)
    return max(contrast(QColor(*color), behind) for color in colors[far.argsort()[-20:]].tolist())


def texts(panel: QWidget) -> Iterator[QWidget]:
    """Everything with words on it that is shown and can be used."""
    for kind in (QLabel, QAbstractButton, QComboBox, QAbstractSpinBox):
        for part in panel.findChildren(kind):
            words = part.currentText() if isinstance(part, QComboBox) else part.text()
            if words.strip() and part.isVisible() and part.isEnabled():
                yield part


def controls(panel: Panel) -> Iterator[QWidget]:
    """Everything that can be clicked, without the parts that a control is made of."""
    kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QAbstractSlider, QLineEdit, QAbstractItemView)
    for kind in kinds:
        for part in panel.scroll.widget().findChildren(kind):
            inside = part.parentWidget()
            while inside is not None and not isinstance(inside, (*kinds, Panel)):
                inside = inside.parentWidget()
            of_another = isinstance(inside, kinds) and not isinstance(inside, QAbstractItemView)
            if part.isVisible() and not isinstance(part, QScrollBar) and not of_another:
                yield part


def explained(part: QWidget | None) -> bool:
    """Whether a control, or what it is in, says what it does; a button that unfolds has its name for that."""
    while part is not None and not isinstance(part, Panel):
        if part.toolTip() or isinstance(part, QCollapsible):
            return True
        part = part.parentWidget()
    return False


def is_cut_off(part: QWidget) -> bool:
    """Whether a part has less room than its words need."""
    if isinstance(part, QLabel) and part.wordWrap():
        return part.height() < part.heightForWidth(part.width())
    needed = part.sizeHint()
    if isinstance(part, QLabel | QPushButton | QCheckBox):
        return part.width() < min(needed.width(), part.fontMetrics().horizontalAdvance(part.text()))
    return part.height() < 0.7 * needed.height()


@pytest.fixture
def laptop(viewer: Any) -> Any:
    """The window of a viewer on a small screen, with an image and its labels."""
    viewer.window.resize(*LAPTOP)
    viewer.add_image(np.zeros((64, 64), np.float32), name="cells")
    labels = np.zeros((64, 64), np.uint16)
    labels[8:20, 8:20], labels[30:50, 30:50] = 1, 2
    viewer.add_labels(labels, name="cells manual")
    viewer.window._qt_window.show()
    return viewer


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_words_can_be_read_and_none_are_cut_off(laptop: Any, theme: str, capsys: Any) -> None:
    laptop.theme = theme
    faint, cut, unreachable, unexplained = [], [], [], []
    for kind in WIDGETS:
        panel: Any = kind(laptop)
        dock = laptop.window.add_dock_widget(panel, area="right")
        if kind is DistillWidget:
            panel.curves.prepare()
            panel.curves.add(StepMetrics(1, {f"term {number}": 1.0 for number in range(8)}, kind="train"))
            panel.form.editor("steps").widget.setValue(1)
        if kind is CorrectWidget:
            panel.start.click()
            for _ in range(200):
                QTest.qWait(20)
                if panel.toolbox.session is not None:
                    break
            else:
                pytest.fail("the tools do not open")
        for part in controls(panel):
            name = f"{kind.__name__} {type(part).__name__} {getattr(part, 'text', part.objectName)()!r}"
            if part.isEnabled() and not part.focusPolicy() & Qt.FocusPolicy.TabFocus and "(key " not in part.toolTip():
                unreachable.append(name)
            if not explained(part):
                unexplained.append(name)
        for message in MESSAGES if kind is LiveWidget else ["error"]:
            panel.say(f"The {message} has many words, among them some that are long. Do this instead.", message)
            QTest.qWait(60)
            parts = [panel.message] if message != "error" else texts(panel)
            for part in parts:
                name = f"{kind.__name__} {type(part).__name__} {getattr(part, 'text', part.objectName)()!r}"
                drawn = drawn_contrast(part, panel)
                if drawn < TEXT:
                    faint.append(f"{name}: {drawn:.2f}")
                for _ in range(20):  # the layout follows a text that has just changed
                    if not is_cut_off(part):
                        break
                    QTest.qWait(50)
                else:
                    cut.append(f"{name}: {part.size()}, {part.sizeHint()}")
        if kind is DistillWidget:
            for legend in panel.curves.legends.values():
                spans = legend.text().split("color:")[1:]
                behind = legend.palette().color(legend.backgroundRole())
                faint += [span for span in spans if contrast(QColor(span[:7]), behind) < TEXT]
        assert (laptop.window._qt_window.width(), laptop.window._qt_window.height()) == LAPTOP, kind
        laptop.window.remove_dock_widget(dock)
    assert not faint
    assert not cut
    assert not unreachable, "by keys"
    assert not unexplained, "by a tooltip"


def test_live_and_correct_share_the_height_of_a_laptop(laptop: Any, live_widget: Any, qtbot: Any) -> None:
    correct = CorrectWidget(laptop)
    laptop.window.add_dock_widget(correct, area="right")
    correct.start.click()
    for _ in range(200):
        QTest.qWait(20)
        if correct.toolbox.session is not None:
            break
    QTest.qWait(100)
    window = laptop.window._qt_window
    assert (window.width(), window.height()) == LAPTOP
    assert correct.height() > live_widget.height() > 150
    for panel in (correct, live_widget):

        def all_can_be_reached(panel: Any = panel) -> None:
            column, seen = panel.scroll.widget(), panel.scroll.viewport()
            assert panel.scroll.verticalScrollBar().maximum() == column.height() - seen.height() > 0
            assert column.height() >= panel.body.heightForWidth(seen.width())

        qtbot.waitUntil(all_can_be_reached, timeout=5000)  # Live finds out about the image meanwhile
    assert live_widget.readout.mapTo(live_widget, QPoint(0, 0)).y() < 40, "how many objects there are is seen at once"
    where = correct.toolbox.files.where
    assert where.height() >= where.heightForWidth(where.width())
    button = correct.toolbox.files.load
    correct.scroll.ensureWidgetVisible(button)
    QTest.qWait(50)
    low = button.mapTo(correct.scroll.viewport(), QPoint(0, button.height())).y()
    assert 0 < low <= correct.scroll.viewport().height()
    assert button.visibleRegion().boundingRect().height() == button.height()


def test_docks_leave_room_for_the_canvas_in_a_small_window(viewer: Any) -> None:
    panel = Panel(viewer)
    panel.setMinimumWidth(380)
    viewer.window.add_dock_widget(panel, area="right")
    viewer.window._qt_window.show()
    viewer.window.resize(640, 480)
    QTest.qWait(50)
    canvas = viewer.window._qt_viewer.canvas.native
    assert min(canvas.width(), canvas.height()) >= 50


def test_tab_passes_over_folded_settings_and_the_wheel_over_fields(laptop: Any) -> None:
    panel: Any = DistillWidget(laptop)
    laptop.window.add_dock_widget(panel, area="right")
    QTest.qWait(50)
    inside = [
        part
        for part in panel.findChildren(QWidget)
        if part.focusPolicy() & Qt.FocusPolicy.TabFocus and part.isVisible() and part.isEnabled()
    ]
    assert 5 < len(inside) < 30
    folded = panel.form.editor("seed").widget
    assert not any(part is folded or folded.isAncestorOf(part) for part in inside)
    panel.form.advanced.expand()
    QTest.qWait(50)
    assert folded.isVisible()
    assert folded.focusPolicy() == Qt.FocusPolicy.StrongFocus


def test_message_changes_its_color_with_the_theme(viewer: Any) -> None:
    panel = Panel(viewer)
    viewer.window.add_dock_widget(panel)
    panel.say("3 objects < 5 objects & all is well", "warning")
    seen = {}
    for theme in ("light", "dark"):
        viewer.theme = theme
        QTest.qWait(50)
        seen[theme] = panel.message.palette().color(panel.message.foregroundRole()).name()
    assert seen["dark"] == MESSAGES["warning"]
    assert contrast(QColor(seen["light"]), QColor("#ebe7e6")) >= TEXT
    assert panel.message.text() == "3 objects < 5 objects & all is well"


def test_a_dock_that_needs_little_leaves_the_rest_to_the_one_above(laptop: Any, live_widget: Any, qtbot: Any) -> None:
    correct = CorrectWidget(laptop)
    laptop.window.add_dock_widget(correct, area="right")

    def all_is_seen() -> bool:
        scrolled = correct.scroll.verticalScrollBar().maximum()
        return scrolled == 0 and live_widget.height() > 2 * correct.height()

    qtbot.waitUntil(all_is_seen, timeout=2000)  # napari gives the new one five times the height
