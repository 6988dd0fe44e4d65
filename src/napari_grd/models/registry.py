"""Networks by name.

A network is any ``nn.Module`` that maps ``(B, in_channels, *S)`` float32 to
``(B, embedding + foreground, *S)``: raw (not normalized) embedding channels
first and, optionally, one foreground logit last. ``S`` is a multiple of the
network's stride. To add one, decorate its builder::

    @register("mynet", stride=8)
    def mynet(in_channels, out_channels, *, widths=(16, 32)): ...

Another package registers its networks by an entry point, whose module is imported when a name is requested that is not
built in::

    [project.entry-points."napari_grd.networks"]
    mynet = "mypackage.mynet"
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from torch import nn

from napari_grd.errors import ConfigError

ENTRY_POINTS = "napari_grd.networks"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NetworkEntry:
    """One entry of the registry.

    Attributes
    ----------
    name : str
        Name for :func:`build`.
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
    """Add a network builder to the registry (decorator).

    Parameters
    ----------
    name : str
        Name for :func:`build`.
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
        If the name is taken.
    """

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
    if name not in _ENTRIES:
        broken = _load_plugins()
        if name in broken:
            raise ConfigError(
                f"The network {name!r} is there, but its package fails to load ({broken[name]}).",
                "Repair or remove that package.",
            )
    try:
        return _ENTRIES[name]
    except KeyError:
        raise ConfigError(f"There is no network named {name!r}.", f"Choose one of: {', '.join(names())}.") from None


def names() -> list[str]:
    """Names of all networks that can be built, including those of other packages."""
    _load_plugins()
    return sorted(_ENTRIES)


@cache
def _load_plugins() -> dict[str, str]:
    """Import the networks of other packages, once; returns what failed and why."""
    broken = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except Exception as error:  # an error of another package must not affect this one
            broken[point.name] = f"{type(error).__name__}: {error}"
            _log.warning("The network %r of entry point %r does not load: %s", point.name, point.value, error)
    return broken


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
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"The network {name!r} cannot be built with {widths!r} ({error}).", "See its options."
        ) from error
