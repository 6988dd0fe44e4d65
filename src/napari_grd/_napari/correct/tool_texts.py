"""Tools and kinds of corrections as users see them: names, keys, hints, colors."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class ToolText:
    """A tool in words.

    Attributes
    ----------
    label : str
        On the button.
    key : str
        That takes it up while the labels are the selected layer.
    hint : str
        How it is used; the tooltip, and the line below the buttons while it is in hand.
    """

    label: str
    key: str
    hint: str


class Tool(Enum):
    """What can be in hand."""

    NAVIGATE = "navigate"
    PICK = "pick"
    JOIN = "join"
    CUT = "cut"
    DRAW = "draw"
    ERASE = "erase"
    ACCEPT = "accept"
    LINK = "link"


TEXTS = {
    Tool.NAVIGATE: ToolText("Navigate", "Z", "Drag to move, wheel to zoom. With any tool: hold Space to navigate."),
    Tool.PICK: ToolText(
        "Pick",
        "K",
        "Click: what is outlined becomes an object. Shift-click adds it to the picked object, Alt- or Ctrl-click takes"
        " it away. The wheel grows and shrinks it.",
    ),
    Tool.JOIN: ToolText("Merge", "J", "Drag across the pieces of one object, or click one and then the other."),
    Tool.CUT: ToolText(
        "SplitLine", "C", "Drag along the border of two objects, or click in one and then in the other."
    ),
    Tool.DRAW: ToolText(
        "Draw", "D", "Paint with napari's brush. M: a new object, L: pick the object to go on with, [ and ]: the brush."
    ),
    Tool.ERASE: ToolText("Erase", "E", "Paint background with napari's brush. [ and ]: the brush."),
    Tool.ACCEPT: ToolText("Accept", "A", "Click objects that are right. They are verified, and a student learns them."),
    Tool.LINK: ToolText(
        "Link",
        "T",
        "Click an object, go to another plane, and click there: they are one object, from there on."
        " With an Alt- or Ctrl-click they are two.",
    ),
}
"""Every tool in words, in the order of the buttons."""

NEXT_KEY = "N"
UNDO_KEY, REDO_KEY = "Control-Z", "Control-Shift-Z"


# Okabe and Ito's, which color-blind people tell apart.
COLORS = {
    "pick": "#56b4e9",
    "add": "#56b4e9",
    "draw": "#56b4e9",
    "join": "#f0e442",
    "cut": "#d55e00",
    "split": "#d55e00",
    "remove": "#cc79a7",
    "erase": "#cc79a7",
    "accept": "#009e73",
    "link": "#0072b2",
    "unlink": "#e69f00",
}
"""Kind of a correction to color."""

LEGEND = (
    ("accept", ("accept",), "verified"),
    ("pick", ("pick", "add", "draw"), "picked or drawn"),
    ("join", ("join",), "joined"),
    ("cut", ("cut", "split"), "cut"),
    ("erase", ("remove", "erase"), "taken away"),
    ("link", ("link",), "linked"),
    ("unlink", ("unlink",), "unlinked"),
)
"""Lines of the legend: whose color, which kinds, in words."""

WORDS = {
    "pick": "the pick",
    "add": "the addition",
    "remove": "the removal",
    "join": "the join",
    "cut": "the cut",
    "split": "the cut",
    "draw": "the drawing",
    "erase": "the erasure",
    "accept": "the acceptance",
    "link": "the link",
    "unlink": "the unlinking",
}
"""Kind of a correction in words, after "Undo"."""


def color_of(kind: str) -> str:
    """The color of a kind, gray for one that has none."""
    return COLORS.get(kind, "#999999")


def words_of(kind: str) -> str:
    """A kind in words, after "Undo"."""
    return WORDS.get(kind, f"the {kind}")
