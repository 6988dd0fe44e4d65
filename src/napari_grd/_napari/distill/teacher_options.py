"""Options of the picked teacher: one line each, from the signature of its ``load`` function."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QFormLayout, QHBoxLayout, QLineEdit, QMenu, QToolButton, QWidget

if TYPE_CHECKING:
    from napari_grd.teaching.options import TeacherOption


_BROWSE_WIDTH = 36  # pixels; its menu arrow is beside the dots


class TeacherOptions(QWidget):
    """Editors for a teacher's options; an empty one keeps its default."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self.editors: dict[str, QLineEdit | QCheckBox] = {}

    def show_options(self, options: "tuple[TeacherOption, ...]") -> None:
        """Show the options of another teacher; values typed for the previous one are dropped."""
        while self._form.rowCount():
            self._form.removeRow(0)
        self.editors = {}
        for option in options:
            self._form.addRow(_label(option.name), self._row(option))
        self.setVisible(bool(options))
        self.changed.emit()

    def set_placeholder(self, name: str, text: str) -> None:
        """Show an option's default."""
        editor = self.editors[name]
        if isinstance(editor, QLineEdit):
            editor.setPlaceholderText(text)

    def texts(self) -> tuple[tuple[str, str], ...]:
        """Name and text of each option that was entered; parsed when the teacher is loaded."""
        lines = []
        for name, editor in self.editors.items():
            text = editor.text() if isinstance(editor, QLineEdit) else str(editor.isChecked()).lower()
            if text.strip():
                lines.append((name, text.strip()))
        return tuple(lines)

    def _row(self, option: "TeacherOption") -> QWidget:
        kinds = get_args(option.annotation) or (option.annotation,)
        editor: QLineEdit | QCheckBox
        if option.annotation is bool:
            editor = QCheckBox()
            editor.setChecked(bool(option.default))
            editor.toggled.connect(lambda _on: self.changed.emit())
        else:
            editor = QLineEdit()
            editor.setPlaceholderText("required" if option.required else _shown(option.default))
            editor.textChanged.connect(lambda _text: self.changed.emit())
        editor.setToolTip(_sentence(option.help))
        self.editors[option.name] = editor
        return _with_browse(editor) if Path in kinds and isinstance(editor, QLineEdit) else editor


def _with_browse(line: QLineEdit) -> QWidget:
    """The line with a button that opens a file or folder dialog: a teacher may take either."""
    row, button = QWidget(), QToolButton()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(line)
    layout.addWidget(button)
    menu = QMenu(button)
    menu.addAction("A file…", lambda: _take(line, QFileDialog.getOpenFileName(line, "Open")[0]))
    menu.addAction("A folder…", lambda: _take(line, QFileDialog.getExistingDirectory(line, "Open")))
    button.setText("…")
    button.setMinimumWidth(_BROWSE_WIDTH)
    button.setToolTip("Choose a file or a folder")
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return row


def _take(line: QLineEdit, path: str) -> None:
    if path:
        line.setText(path)


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _shown(default: object) -> str:
    return (
        "automatic" if default is None else ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
