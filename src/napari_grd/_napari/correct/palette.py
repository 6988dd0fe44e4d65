"""Colors of corrections, the same in the layer, in the legend and under the pointer."""

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
