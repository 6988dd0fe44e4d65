"""Tools and kinds of corrections as users see them: names, keys, hints, colors, modes of the layer."""

from dataclasses import dataclass
from enum import Enum

from napari_grd.corrections.tools import AcceptTool, CorrectionTool, LinkTool, MergeTool, PickTool, SplitTool


@dataclass(frozen=True)
class KindText:
    """A kind of corrections in words. Kinds of one legend are counted together."""

    color: str  # by Okabe and Ito, for color-blind people too
    noun: str  # after "Undo"
    legend: str  # after a count


KINDS = {
    "accept": KindText("#009e73", "the acceptance", "verified"),
    "pick": KindText("#56b4e9", "the pick", "picked or drawn"),
    "add": KindText("#56b4e9", "the addition", "picked or drawn"),
    "draw": KindText("#56b4e9", "the drawing", "picked or drawn"),
    "join": KindText("#f0e442", "the merge", "merged"),
    "cut": KindText("#d55e00", "the split", "split"),
    "split": KindText("#d55e00", "the split", "split"),
    "join-volume": KindText("#f0e442", "the merge in all planes", "merged"),
    "cut-volume": KindText("#d55e00", "the split in all planes", "split"),
    "split-volume": KindText("#d55e00", "the split in all planes", "split"),
    "remove": KindText("#cc79a7", "the removal", "erased or background"),
    "erase": KindText("#cc79a7", "the erasure", "erased or background"),
    "link": KindText("#0072b2", "the link", "linked"),
    "unlink": KindText("#e69f00", "the unlinking", "unlinked"),
}
"""Every kind by its name in files, in the order of the legend."""


@dataclass(frozen=True, eq=False)
class _Description:
    """What buttons, keys, tooltips, preview and mouse of a tool follow from."""

    label: str  # on the button
    key: str  # shortcut while the labels are the selected layer
    hint: str  # the tooltip, and the line below the buttons while the tool is active
    kind: str | None = None  # of the correction that it makes, which decides the color of the preview
    mouse: type[CorrectionTool] | None = None  # what follows the mouse; None: napari itself
    mode: str = "pan_zoom"  # of the layer, while the tool is active

    @property
    def color(self) -> str:
        """Of the preview."""
        return "white" if self.kind is None else KINDS[self.kind].color


class Tool(_Description, Enum):
    """The tools of the window, in the order of the buttons."""

    NAVIGATE = "Navigate", "Z", "Drag to move, scroll to zoom. Hold Space to navigate with any tool."
    PICK = (
        "Pick",
        "K",
        "Click to make the outlined region an object. Shift-click adds it to the picked object, Alt- or Ctrl-click"
        " removes it. Scroll to grow or shrink the outline.",
        "pick",
        PickTool,
    )
    MERGE = (
        "Merge",
        "J",
        "Drag across the pieces of one object, or click one piece and then another.",
        "join",
        MergeTool,
    )
    SPLIT = (
        "Split",
        "C",
        "Split along a line: drag along the boundary of two objects. Split at two points: click one, then the other.",
        "cut",
        SplitTool,
    )
    DRAW = (
        "Draw",
        "D",
        "Paint a cell with napari's brush, or encircle it; the next stroke makes the next object. Begin on an object to"
        " extend it. L: pick the object to paint, [ and ]: brush size.",
        None,
        None,
        "paint",
    )
    ERASE = "Erase", "E", "Remove from objects with napari's brush. [ and ]: brush size.", None, None, "erase"
    BACKGROUND = (
        "Background",
        "B",
        "Paint where there is nothing with napari's brush, and the model learns that it is background."
        " [ and ]: brush size.",
        "erase",
        None,
        "paint",
    )
    ACCEPT = (
        "Accept",
        "A",
        "Click objects that are correct. They count as verified, and the model is fine-tuned on them.",
        "accept",
        AcceptTool,
    )
    LINK = (
        "Link",
        "T",
        "Click an object, go to another plane, and click there to link both from that plane on."
        " An Alt- or Ctrl-click unlinks them.",
        "link",
        LinkTool,
    )


NEXT_KEY = "N"
UNDO_KEY, REDO_KEY = "Control-Z", "Control-Shift-Z"
