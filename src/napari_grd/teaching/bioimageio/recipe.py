"""What the outputs of a zoo model mean, and how instances are made of them.

A description names outputs and channels, but nothing in it says "this is the
probability of foreground" in a way a program can rely on. So a small recipe
says it; :func:`~napari_grd.teaching.bioimageio.guess.guess_recipe` writes one where names leave no doubt.
"""

from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.special import expit

from napari_grd.config import Config
from napari_grd.errors import GrdError, LabelError
from napari_grd.graph.offsets import Offset

Kind = Literal[
    "foreground",
    "foreground_logit",
    "boundary",
    "boundary_logit",
    "affinity",
    "repulsion",
    "embedding",
    "flow",
    "label",
    "ignore",
]
"""What a channel holds.

foreground, boundary : probability in [0, 1]; ``_logit``: before the sigmoid.
affinity : 1 where the two pixels of its offset belong together; repulsion: 1 where they do not.
embedding : raw, alike where pixels belong together.
flow : towards the center of the object, one channel an axis (y, x).
label : one number an instance, 0 is background.
"""

_SLACK = 1e-3  # how far rounding may take a probability out of [0, 1]

Method = Literal["labels", "embedding", "mutex", "flow", "watershed", "components"]


class ZooRecipe(Config):
    """What each output channel is, and how instances are made.

    Examples
    --------
    >>> ZooRecipe(channels={"out": ("foreground", "boundary")}).method
    'watershed'
    """

    channels: dict[str, tuple[Kind, ...]] = Field(
        description="id of an output to the kind of each channel; a single kind stands for all its channels"
    )
    offsets: tuple[Offset, ...] = Field((), description="of affinity or repulsion channels, (y, x) in pixels")
    instances: Method | Literal["auto"] = Field("auto", description="how instances are made; auto: from what there is")
    foreground_threshold: float = Field(0.5, gt=0, lt=1, description="a pixel is foreground above this probability")
    boundary_threshold: float = Field(0.5, gt=0, lt=1, description="seeds lie where the boundary is below this")
    depth: float = Field(0.5, gt=0, description="watershed without boundary: how deep a neck splits, in pixels")
    min_size: int = Field(16, ge=0, description="objects with fewer pixels are removed")
    scales: tuple[Annotated[float, Field(ge=0.25, le=4)], ...] = Field(
        (1.0,),
        min_length=1,
        description="sizes at which the model sees an image, against its own; what it says of them is averaged",
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        kinds = set(self.kinds)
        if not kinds - {"ignore"}:
            raise ValueError("no output channel is used")
        if kinds & {"affinity", "repulsion"} and not self.offsets:
            raise ValueError("affinities need their offsets")
        if self.method not in _possible(kinds):
            raise ValueError(f"instances={self.instances!r} cannot be made of {', '.join(sorted(kinds))}")
        if self.scales != (1.0,) and (other := _flat(kinds) - {"foreground", "boundary", "ignore"}):
            raise ValueError(f"at other scales only foreground and boundary keep their meaning, not {min(other)}")
        return self

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of all channels of all outputs."""
        return tuple(kind for kinds in self.channels.values() for kind in kinds)

    @property
    def method(self) -> str:
        """How instances are made."""
        if self.instances != "auto":
            return self.instances
        return next(iter(_possible(set(self.kinds))), "none")


def read_channel(kind: str, plane: NDArray[Any], name: str) -> tuple[str, NDArray[np.float32]]:
    """One output channel, checked, in the terms that instances are made of.

    Parameters
    ----------
    kind : Kind
        What it is said to be.
    plane : (Y, X) array
        Its values.
    name : str
        Of the output, for messages.

    Returns
    -------
    kind : str
        "foreground", "boundary", "affinity", "embedding", "flow" or "label".
    values : (Y, X) array
        float32, but for labels; probabilities for logits, affinity for repulsion.

    Raises
    ------
    GrdError
        If the values cannot be what they are said to be.
    """
    if kind == "label":
        if plane.size and not (plane.min() >= 0 and plane.max() < 2**32 and np.array_equal(plane, np.rint(plane))):
            raise LabelError(
                f"The output {name!r} reaches from {plane.min():g} to {plane.max():g}: these are no labels.",
                "Give the model a recipe that says what it is.",
            )
        return kind, plane
    values = np.ascontiguousarray(plane, np.float32)
    if not np.isfinite(values).all():
        raise GrdError(f"The output {name!r} holds NaN or infinite values.", "Choose another model, or other weights.")
    if kind.endswith("_logit"):
        return kind.removesuffix("_logit"), expit(values)
    if kind in ("foreground", "boundary", "affinity", "repulsion"):
        if values.size and not (values.min() >= -_SLACK and values.max() <= 1 + _SLACK):
            raise GrdError(
                f"The output {name!r} reaches from {values.min():g} to {values.max():g}; a {kind} lies in [0, 1].",
                f"If these are logits, give the model a recipe that says {kind + '_logit'!r}.",
            )
        values = np.clip(values, 0, 1)
        return ("affinity", 1 - values) if kind == "repulsion" else (kind, values)
    return kind, values


def _flat(kinds: set[Kind]) -> set[str]:
    return {kind.removesuffix("_logit") for kind in kinds}


def _possible(kinds: set[Kind]) -> list[Method]:
    """Ways to make instances of such channels, the best first."""
    flat = _flat(kinds)
    ways: list[tuple[Method, bool]] = [
        ("labels", "label" in flat),
        ("embedding", "embedding" in flat),
        ("mutex", bool(flat & {"affinity", "repulsion"})),
        ("flow", {"flow", "foreground"} <= flat),
        ("watershed", "foreground" in flat),
        ("components", "foreground" in flat),
    ]
    return [way for way, possible in ways if possible]
