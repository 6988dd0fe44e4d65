"""Networks by name.

A network is any ``nn.Module`` that maps ``(B, in_channels, *S)`` float32 to
``(B, embedding + foreground, *S)``: raw (not normalised) embedding channels
first and, if asked for, one foreground logit last. ``S`` is a multiple of the
network's stride. To add one, decorate its builder::

    @register("mynet", stride=8)
    def mynet(in_channels, out_channels, *, width=32): ...
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from napari_grd.errors import ConfigError


@dataclass(frozen=True)
class NetworkEntry:
    """One entry of the registry.

    Attributes
    ----------
    name : str
        What :func:`build` takes.
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


_ENTRIES: dict[str, NetworkEntry] = {}


def register(
    name: str, *, stride: int, ndim: int = 2
) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Add a network builder to the registry (decorator)."""

    def add(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        if name in _ENTRIES:
            raise ValueError(f"a network named {name!r} is registered already")
        summary = (builder.__doc__ or name).strip().splitlines()[0]
        _ENTRIES[name] = NetworkEntry(name, builder, stride, ndim, summary)
        return builder

    return add


def entry(name: str) -> NetworkEntry:
    """The registry's entry of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    try:
        return _ENTRIES[name]
    except KeyError:
        raise ConfigError(f"There is no network named {name!r}.", f"Choose one of: {', '.join(names())}.") from None


def names() -> list[str]:
    """Names of all registered networks."""
    return sorted(_ENTRIES)


def build(name: str, *, in_channels: int, embedding: int = 16, foreground: bool = True, **widths: Any) -> nn.Module:
    """Build a network with fresh weights.

    Parameters
    ----------
    name : str
        A registered name, e.g. ``"resunet"``.
    in_channels : int
        Channels of the input image.
    embedding : int, default 16
        Channels of the embedding.
    foreground : bool, default True
        Whether a foreground logit follows the embedding.
    **widths
        Options of the network, e.g. ``widths=(4, 8, 16, 32, 64)``.

    Returns
    -------
    torch.nn.Module
        Maps ``(B, in_channels, *S)`` to ``(B, embedding + foreground, *S)``.

    Raises
    ------
    ConfigError
        If the name is unknown, a count is below one, or the network does not take such options.

    Examples
    --------
    >>> net = build("resunet", in_channels=1, widths=(4, 8, 16, 32, 64))
    """
    found = entry(name)
    for label, value in (("in_channels", in_channels), ("embedding", embedding)):
        if value < 1:
            raise ConfigError(f"{label} is {value}.", "It has to be at least 1.")
    try:
        return found.builder(in_channels, embedding + int(foreground), **widths)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"The network {name!r} cannot be built with {widths!r} ({error}).", "See its options."
        ) from error
