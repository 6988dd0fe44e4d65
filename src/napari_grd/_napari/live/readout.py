"""What Live is doing, in a line."""

from qtpy.QtWidgets import QLabel, QProgressBar


class Readout(QLabel):
    """A text, and a bar that moves as long as the text ends in an ellipsis.

    Attributes
    ----------
    bar : QProgressBar
        To be laid out beside the text.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(4)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # what is below does not move
        self.bar.setSizePolicy(policy)
        self.bar.hide()

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self.bar.setVisible(text.endswith("…"))
