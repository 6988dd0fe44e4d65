"""The buttons that take up a tool."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QGridLayout, QPushButton, QSizePolicy, QWidget

from napari_grd._napari.correct.tools import TEXTS, Tool

_COLUMNS = 4


class ToolRow(QWidget):
    """One of the tools is in hand; its button is pressed down."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[Tool, QPushButton] = {}
        group = QButtonGroup(self)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for number, (tool, text) in enumerate(TEXTS.items()):
            button = QPushButton(f"{text.label}  {text.key}")
            button.setCheckable(True)
            button.setToolTip(f"{text.hint}  (key {text.key})")
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys go on to the canvas
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setMinimumWidth(10)
            button.clicked.connect(lambda _checked=False, tool=tool: self.chosen.emit(tool))
            group.addButton(button)
            grid.addWidget(button, number // _COLUMNS, number % _COLUMNS)
            self.buttons[tool] = button
        self.show_tool(Tool.NAVIGATE)

    def show_tool(self, tool: Tool) -> None:
        """Press a tool's button down."""
        self.buttons[tool].setChecked(True)

    def allow(self, tool: Tool, problem: str = "") -> None:
        """Offer a tool, or say why it cannot be used."""
        text = TEXTS[tool]
        self.buttons[tool].setEnabled(not problem)
        self.buttons[tool].setToolTip(problem or f"{text.hint}  (key {text.key})")
