"""The registry of networks.

A network is any ``nn.Module`` that maps ``(B, in_channels, *S)`` float32 to
``(B, embedding + foreground, *S)``: raw (not normalized) embedding channels
first and, optionally, one foreground logit last. ``S`` is a multiple of the
network's stride. To add one, decorate its builder::

    @register("mynet", stride=8)
    def mynet(in_channels, out_channels, *, widths=(16, 32)): ...
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from napari_grd.errors import ConfigError


@dataclass(frozen=True)
class NetworkEntry:
    """One entry of the registry.

    Attributes
    ----------
    name : str
        Name for :func:`napari_grd.models.networks.build`.
    builder : callable
        ``builder(in_channels, out_channels, **options) -> nn.Module``.
    stride : int
        Sides of the input must be multiples of this.
    ndim : int
        Spatial dimensions.
    summary : str
        First line of the builder's docstring, for pickers.
    """

    name: str
    builder: Callable[..., nn.Module]
    stride: int
    ndim: int
    summary: str


registered: dict[str, NetworkEntry] = {}


def register(
    name: str, *, stride: int, ndim: int = 2
) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Add a network builder to the registry (decorator).

    Parameters
    ----------
    name : str
        Name for :func:`napari_grd.models.networks.build`.
    stride : int
        Sides of the input must be multiples of this; every multiple must be valid.
    ndim : int, default 2
        Spatial dimensions.

    Returns
    -------
    callable
        Decorates ``builder(in_channels, out_channels, *, widths=...) -> nn.Module``. The builder's
        default widths are used for a configuration without widths.

    Raises
    ------
    ValueError
        If the name is in use.
    """

    def add(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        if name in registered:
            raise ValueError(f"a network named {name!r} is registered already")
        summary = (builder.__doc__ or name).strip().splitlines()[0]
        registered[name] = NetworkEntry(name, builder, stride, ndim, summary)
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
