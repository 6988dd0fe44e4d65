"""The registry of networks.

A network is any ``nn.Module`` that maps ``(B, in_channels, *S)`` float32 to
``(B, embedding + foreground, *S)``: raw (not normalized) embedding channels
first and, optionally, one foreground logit last. ``S`` is a multiple of the
network's stride. To add one, decorate its builder::

    @register("mynet", stride=8)
    def mynet(in_channels, out_channels, *, widths=(16, 32)): ...

A network of valid convolutions returns less than it reads, and states by how much; its input starts at the smallest
legal size and grows by strides::

    @register("valid", ndim=3, stride=(1, 4, 4), margin=(2, 10, 10), smallest=(5, 24, 24))
    def valid(in_channels, out_channels): ...
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from napari_grd.errors import ConfigError


@dataclass(frozen=True)
class NetworkEntry:
    """One entry of the registry. Tuples have one number per axis, in the order z, y, x.

    Attributes
    ----------
    name : str
        Name for :func:`napari_grd.models.networks.build`.
    builder : callable
        ``builder(in_channels, out_channels, **options) -> nn.Module``.
    strides : tuple of int
        Legal sizes of the input differ by multiples of these, in pixels.
    ndim : int
        Spatial dimensions.
    summary : str
        First line of the builder's docstring, for pickers.
    margin : tuple of int
        Pixels that valid convolutions remove at each side. Zeros for a network with padding.
    smallest : tuple of int
        Smallest legal input in pixels.
    halo : tuple of int or None
        Radius of the receptive field in pixels; None if it is not known.
    """

    name: str
    builder: Callable[..., nn.Module]
    strides: tuple[int, ...]
    ndim: int
    summary: str
    margin: tuple[int, ...]
    smallest: tuple[int, ...]
    halo: tuple[int, ...] | None = None

    @property
    def stride(self) -> int:
        """One stride for all axes: the least common multiple of theirs."""
        return math.lcm(*self.strides)

    def input_size(self, output: Sequence[int]) -> tuple[int, ...]:
        """The smallest legal input whose output covers that many pixels.

        Parameters
        ----------
        output : sequence of int
            Pixels along each axis, at least 1.

        Returns
        -------
        tuple of int
            The output for it is smaller by twice the margin, and may be larger than requested.

        Examples
        --------
        >>> from napari_grd.models.networks import entry
        >>> entry("resunet").input_size((100, 128))
        (112, 128)
        >>> entry("mala").input_size((25, 56, 56))
        (53, 268, 268)
        """
        axes = zip(output, self.margin, self.smallest, self.strides, strict=True)
        return tuple(
            least + max(0, -(-(size + 2 * margin - least) // stride)) * stride for size, margin, least, stride in axes
        )


registered: dict[str, NetworkEntry] = {}


def register(
    name: str,
    *,
    stride: int | tuple[int, ...],
    ndim: int = 2,
    margin: tuple[int, ...] | None = None,
    smallest: tuple[int, ...] | None = None,
    halo: tuple[int, ...] | None = None,
) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Add a network builder to the registry (decorator).

    Parameters
    ----------
    name : str
        Name for :func:`napari_grd.models.networks.build`.
    stride : int or tuple of int
        Sides of the input must be multiples of this, for all axes or for each (z, y, x); every multiple must be valid.
        With ``smallest``: differ from it by multiples.
    ndim : int, default 2
        Spatial dimensions.
    margin : tuple of int, optional
        Pixels that valid convolutions remove at each side of each axis. Default: none, the output has the size of the
        input.
    smallest : tuple of int, optional
        Smallest legal input in pixels. Default: the stride.
    halo : tuple of int, optional
        Radius of the receptive field in pixels, for each axis: images are cut into tiles that read so much of their
        surroundings.

    Returns
    -------
    callable
        Decorates ``builder(in_channels, out_channels, *, widths=...) -> nn.Module``. The builder's
        default widths are used for a configuration without widths.

    Raises
    ------
    ValueError
        If the name is in use, or a tuple does not have ``ndim`` numbers.
    """
    strides = (stride,) * ndim if isinstance(stride, int) else stride
    margin = margin or (0,) * ndim
    smallest = smallest or strides
    if {len(each) for each in (strides, margin, smallest, halo or strides)} != {ndim}:
        raise ValueError(f"the network {name!r} needs one number for each of its {ndim} axes")

    def add(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        if name in registered:
            raise ValueError(f"a network named {name!r} is registered already")
        summary = (builder.__doc__ or name).strip().splitlines()[0]
        registered[name] = NetworkEntry(name, builder, strides, ndim, summary, margin, smallest, halo)
        return builder

    return add


def checked_widths(name: str, widths: Sequence[int], count: int, *, smallest: int = 1) -> tuple[int, ...]:
    """The widths of a network as a tuple, if there are ``count`` of at least ``smallest`` channels each.

    Raises
    ------
    ConfigError
        If not, naming the network and the widths.

    Examples
    --------
    >>> checked_widths("mynet", [8, 16], 2)
    (8, 16)
    """
    if len(widths) != count or any(width < smallest for width in widths):
        raise ConfigError(
            f"The widths of {name!r} are {tuple(widths)}.",
            f"Give {count} whole numbers of at least {smallest}, or none for the network's own.",
        )
    return tuple(widths)
