"""The meaning of a zoo model's outputs, and the method for instances.

A description names outputs and channels, but does not state their meaning in a machine-readable way. A recipe does;
:func:`~napari_grd.teaching.bioimageio.guess.guess_recipe` derives one if the names are unambiguous.
"""

from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.special import expit

from napari_grd.config_base import Config
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
"""The kind of a channel.

foreground, boundary : probability in [0, 1]; ``_logit``: before the sigmoid.
affinity : 1 where the two pixels of its offset belong together; repulsion: 1 where they do not.
embedding : raw, similar where pixels belong together.
flow : towards the center of the object, one channel per axis (y, x).
label : one number per instance, 0 is background.
"""

_SLACK = 1e-3  # tolerance of rounding for probabilities outside [0, 1]

Method = Literal["labels", "embedding", "mutex", "flow", "watershed", "components"]


class ZooRecipe(Config):
    """The kind of each output channel, and the method for instances.

    Examples
    --------
    >>> ZooRecipe(channels={"out": ("foreground", "boundary")}).method
    'watershed'
    """

    channels: dict[str, tuple[Kind, ...]] = Field(
        description="id of an output to the kind of each channel; a single kind applies to all its channels"
    )
    offsets: tuple[Offset, ...] = Field((), description="of affinity or repulsion channels, (y, x) in pixels")
    instances: Method | Literal["auto"] = Field(
        "auto", description="method for instances; auto: depending on the available channels"
    )
    foreground_threshold: float = Field(0.5, gt=0, lt=1, description="a pixel is foreground above this probability")
    boundary_threshold: float = Field(0.5, gt=0, lt=1, description="seeds are where the boundary is below this")
    depth: float = Field(
        0.5, gt=0, description="watershed without boundary: minimum depth of a neck that splits, in pixels"
    )
    min_size: int = Field(16, ge=0, description="objects with fewer pixels are removed")
    scales: tuple[Annotated[float, Field(ge=0.25, le=4)], ...] = Field(
        (1.0,),
        min_length=1,
        description="scale factors of the image at which the model is run; the predictions are averaged",
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        kinds = set(self.kinds)
        if not kinds - {"ignore"}:
            raise ValueError("no output channel is used")
        if kinds & {"affinity", "repulsion"} and not self.offsets:
            raise ValueError("affinities need their offsets")
        if self.method not in _possible(kinds):
            raise ValueError(f"instances={self.instances!r} cannot be computed from {', '.join(sorted(kinds))}")
        if self.scales != (1.0,) and (other := _flat(kinds) - {"foreground", "boundary", "ignore"}):
            raise ValueError(f"only foreground and boundary can be predicted at other scales, not {min(other)}")
        return self

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of all channels of all outputs."""
        return tuple(kind for kinds in self.channels.values() for kind in kinds)

    @property
    def method(self) -> str:
        """The method for instances."""
        if self.instances != "auto":
            return self.instances
        return next(iter(_possible(set(self.kinds))), "none")


def read_channel(kind: str, plane: NDArray[Any], name: str) -> tuple[str, NDArray[np.float32]]:
    """Check one output channel and convert it to a kind without logits or repulsion.

    Parameters
    ----------
    kind : Kind
        Its kind in the recipe.
    plane : (Y, X) array
        Its values.
    name : str
        Name of the output, for messages.

    Returns
    -------
    kind : str
        "foreground", "boundary", "affinity", "embedding", "flow" or "label".
    values : (Y, X) array
        float32, except labels; probabilities for logits, affinity for repulsion.

    Raises
    ------
    GrdError
        If the values are invalid for the kind.
    """
    if kind == "label":
        if plane.size and not (plane.min() >= 0 and plane.max() < 2**32 and np.array_equal(plane, np.rint(plane))):
            raise LabelError(
                f"The output {name!r} ranges from {plane.min():g} to {plane.max():g}: these are not labels.",
                "Give the model a recipe with the correct kind.",
            )
        return kind, plane
    values = np.ascontiguousarray(plane, np.float32)
    if not np.isfinite(values).all():
        raise GrdError(
            f"The output {name!r} contains NaN or infinite values.", "Choose another model, or other weights."
        )
    if kind.endswith("_logit"):
        return kind.removesuffix("_logit"), expit(values)
    if kind in ("foreground", "boundary", "affinity", "repulsion"):
        if values.size and not (values.min() >= -_SLACK and values.max() <= 1 + _SLACK):
            raise GrdError(
                f"The output {name!r} ranges from {values.min():g} to {values.max():g}; a {kind} must be in [0, 1].",
                f"If these are logits, give the model a recipe with the kind {kind + '_logit'!r}.",
            )
        values = np.clip(values, 0, 1)
        return ("affinity", 1 - values) if kind == "repulsion" else (kind, values)
    return kind, values


def _flat(kinds: set[Kind]) -> set[str]:
    return {kind.removesuffix("_logit") for kind in kinds}


def _possible(kinds: set[Kind]) -> list[Method]:
    """Methods for instances from such channels, the best first."""
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
