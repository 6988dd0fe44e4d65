"""A recipe for a zoo model, derived from the names of its outputs."""

import re
from typing import Any, get_args

from napari_grd.errors import ConfigError
from napari_grd.graph.offsets import Offset
from napari_grd.teaching.bioimageio.recipe import Kind, ZooRecipe

# Words in names and descriptions, in search order.
_WORDS: tuple[tuple[str, str], ...] = (
    ("embedding", r"embedding"),
    ("affinity", r"affinit"),
    ("flow", r"\bflow|gradient|\bd[yx]\b"),
    ("boundary", r"boundar|border|contour|edge|membrane|outline"),
    ("ignore", r"background|\bbg\b"),
    ("label", r"\blabels?\b|instance"),
    ("foreground", r"foreground|\bfg\b|nucle|cell|interior|mask|object|prob|mito|semantic|segmentation"),
)


def guess_recipe(description: Any) -> ZooRecipe:
    """Derive a model's recipe from the names of its outputs.

    Searched are each channel's name, then its output's id, then its description, for the first of embedding, affinity,
    flow, boundary, background, label and foreground (or synonyms). If several channels of an output have uninformative
    names, all must be embedding or affinities, or the description of two must name foreground and boundary. A single
    channel with an uninformative name is foreground. Probabilities are distinguished from logits by the postprocessing
    (a sigmoid or softmax), by the range of the data (within [0, 1]), and by the words "probability" and "logit".
    Offsets are read from ``config: mws: offsets``, which some models of the zoo have.

    Parameters
    ----------
    description : bioimageio.spec.model.v0_5.ModelDescr
        The model.

    Returns
    -------
    ZooRecipe

    Raises
    ------
    ConfigError
        If the names are ambiguous; the message lists the outputs.
    """
    channels: dict[str, tuple[Kind, ...]] = {}
    for output in description.outputs:
        axes = {str(axis.id): axis for axis in output.axes}
        if {"y", "x"} <= axes.keys() <= {"batch", "channel", "y", "x"}:
            names = [str(name) for name in axes["channel"].channel_names] if "channel" in axes else [str(output.id)]
            channels[str(output.id)] = _kinds(output, names)
    listed = "; ".join(f"{name!r}: {', '.join(kinds) or 'unknown'}" for name, kinds in channels.items())
    remedy = f"Pass recipe=ZooRecipe(channels={{output: (kind, ...)}}); kinds: {', '.join(get_args(Kind))}."
    if not channels or not all(channels.values()):
        raise ConfigError(
            f"The meaning of the outputs of {str(description.name)!r} is not clear from their names ({listed}).", remedy
        )
    try:
        return ZooRecipe(channels=channels, offsets=_declared_offsets(description))
    except ConfigError as error:
        raise ConfigError(
            f"The outputs of {str(description.name)!r} ({listed}) are not enough: {error.problem}",
            f"{remedy} Offsets go into offsets=((dy, dx), ...).",
        ) from error


def _kinds(output: Any, names: list[str]) -> tuple[Kind, ...]:
    about = f"{output.id} {output.description}"
    kinds = [_word(name) for name in names]
    count = len(names)
    if None in kinds or len(set(names)) < count:
        whole = [kind for kind, pattern in _WORDS if re.search(pattern, about, re.IGNORECASE)]
        if count == 1:
            kinds = [kinds[0] or (whole[0] if whole else "foreground")]
        elif whole and whole[0] in ("embedding", "affinity"):
            kinds = [whole[0]] * count
        elif count == 2 and {"foreground", "boundary"} <= set(whole):
            kinds = ["foreground", "boundary"]
        elif count == 3 and "flow" in whole:  # Cellpose's order
            kinds = ["flow", "flow", "foreground"]
        else:
            return ()
    logit = _is_logit(output, about)
    return tuple(f"{kind}_logit" if logit and kind in ("foreground", "boundary") else kind for kind in kinds)  # type: ignore[misc]


def _word(name: str) -> str | None:
    spaced = re.sub(r"[_\W]+", " ", name)
    return next((kind for kind, pattern in _WORDS if re.search(pattern, spaced, re.IGNORECASE)), None)


def _is_logit(output: Any, about: str) -> bool:
    steps = {str(step.id) for step in output.postprocessing}
    if steps & {"sigmoid", "softmax", "binarize"}:
        return False
    if re.search(r"logit", about, re.IGNORECASE):
        return True
    data = output.data if isinstance(output.data, list | tuple) else [output.data]
    ranges = [getattr(item, "range", (None, None)) for item in data]
    bounded = all(low is not None and high is not None and low >= 0 and high <= 1 for low, high in ranges)
    return not bounded and not re.search(r"prob", about, re.IGNORECASE)


def _declared_offsets(description: Any) -> tuple[Offset, ...]:
    config = description.config
    extra = config if isinstance(config, dict) else (getattr(config, "model_extra", None) or {})
    offsets = extra.get("mws", {}).get("offsets", ()) if isinstance(extra.get("mws"), dict) else ()
    try:
        return tuple(tuple(int(step) for step in offset)[-2:] for offset in offsets)
    except (TypeError, ValueError):
        return ()
