"""The axes over which an object extends, and their pixel sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from napari_grd.errors import ConfigError, LabelError

Frame = tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    """Axes of a label image, split into those of an object and those that index planes or time points.

    Attributes
    ----------
    shape : tuple of int
        Shape of the label image, in pixels.
    axes : tuple of str
        A name for each axis.
    ndim : {2, 3}
        An object extends over this many axes, the last ones.
    scale, translate : tuple of float
        Length of a pixel and position of the first one, along the axes of an object.
    unit : str
        Unit of both.
    """

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    ndim: int
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    unit: str

    @property
    def frame_axes(self) -> tuple[str, ...]:
        """Names of the axes that index planes or time points."""
        return self.axes[: -self.ndim]

    @property
    def object_axes(self) -> tuple[str, ...]:
        """Names of the axes of an object."""
        return self.axes[-self.ndim :]

    def frames(self) -> Iterator[Frame]:
        """Indices of the separate planes or volumes; the empty index for a single one."""
        return product(*map(range, self.shape[: -self.ndim]))


def resolve_geometry(
    shape: tuple[int, ...],
    *,
    axes: Sequence[str] | None = None,
    ndim: int | None = None,
    scale: Sequence[float] | float | None = None,
    translate: Sequence[float] | None = None,
    unit: str | None = None,
) -> Geometry:
    """Validate and complete the geometry arguments of :func:`napari_grd.measurements.objects.measure`.

    Raises
    ------
    LabelError
        If the labels have fewer than two axes, or an empty one.
    ConfigError
        If the other arguments do not fit them.

    Examples
    --------
    >>> resolve_geometry((9, 20, 30), axes="tyx", scale=0.5).frame_axes
    ('t',)
    """
    count = len(shape)
    if count < 2 or 0 in shape:
        raise LabelError(f"The labels have shape {shape}.", "Pass a label image with at least two axes and a pixel.")
    names = _default_axes(count) if axes is None else tuple(axes)
    _check_length("axes", names, count, shape)
    if ndim is None:
        ndim = min(3, sum(name != "t" for name in names))
    if ndim not in (2, 3) or ndim > count:
        raise ConfigError(f"ndim is {ndim} for labels of shape {shape}.", "Pass 2 for planes or 3 for volumes.")
    steps = (1.0,) * count if scale is None else _per_axis(scale, count)
    origin = (0.0,) * count if translate is None else tuple(map(float, translate))
    _check_length("scale", steps, count, shape)
    _check_length("translate", origin, count, shape)
    if not all(step > 0 for step in steps[-ndim:]):
        raise ConfigError(f"scale is {steps}.", "Pass the length of a pixel along each axis, above 0.")
    if unit is None:
        unit = "px" if all(step == 1 for step in steps[-ndim:]) else "unit"
    return Geometry(tuple(shape), names, ndim, steps[-ndim:], origin[-ndim:], unit)


def _default_axes(count: int) -> tuple[str, ...]:
    return tuple("tzyx"[-count:]) if count <= 4 else (*(f"axis {i}" for i in range(count - 3)), *"zyx")


def _per_axis(scale: Sequence[float] | float, count: int) -> tuple[float, ...]:
    return (float(scale),) * count if isinstance(scale, int | float) else tuple(map(float, scale))


def _check_length(name: str, values: Sequence[object], count: int, shape: tuple[int, ...]) -> None:
    if len(values) != count:
        raise ConfigError(
            f"{name} has {len(values)} entries, {tuple(values)}, and the labels have {count} axes, shape {shape}.",
            "Pass one for each axis.",
        )
