"""The built-in networks and those of other packages, built by name.

Another package registers its networks by an entry point, whose module is imported when a name is requested that is not
built in::

    [project.entry-points."napari_grd.networks"]
    mynet = "mypackage.mynet"
"""

import logging
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from torch import nn

from napari_grd.errors import ConfigError

# Importing a network's module registers it.
from napari_grd.models import enet as _enet  # noqa: F401
from napari_grd.models import espnet as _espnet  # noqa: F401
from napari_grd.models import fast as _fast  # noqa: F401
from napari_grd.models import fast3d as _fast3d  # noqa: F401
from napari_grd.models import mala as _mala  # noqa: F401
from napari_grd.models import mobilenet as _mobilenet  # noqa: F401
from napari_grd.models import registry
from napari_grd.models import resunet as _resunet  # noqa: F401
from napari_grd.models import resunet3d as _resunet3d  # noqa: F401
from napari_grd.models import rsunet as _rsunet  # noqa: F401
from napari_grd.models import unetpp as _unetpp  # noqa: F401
from napari_grd.models.registry import NetworkEntry

ENTRY_POINTS = "napari_grd.networks"
_log = logging.getLogger(__name__)


def entry(name: str) -> NetworkEntry:
    """The registry's entry of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in registry.registered:
        broken = _load_plugins()
        if name in broken:
            raise ConfigError(
                f"The network {name!r} is there, but its package fails to load ({broken[name]}).",
                "Repair or remove that package.",
            )
    try:
        return registry.registered[name]
    except KeyError:
        raise ConfigError(f"There is no network named {name!r}.", f"Choose one of: {', '.join(names())}.") from None


def names(ndim: int | None = None) -> list[str]:
    """Names of all networks that can be built (for images of ``ndim`` axes), including those of other packages."""
    _load_plugins()
    return sorted(name for name, registered in registry.registered.items() if ndim in (None, registered.ndim))


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
        Maps ``(B, in_channels, *S)`` to ``(B, embedding + foreground, *S)``; the output of a network with a margin is
        smaller, see :class:`napari_grd.models.registry.NetworkEntry`.

    Raises
    ------
    ConfigError
        If the name is unknown, a count is below one, or the network does not take such options.

    Examples
    --------
    >>> net = build("resunet", in_channels=1, widths=(4, 8, 16, 32, 64))
    """
    network = entry(name)
    for label, value in (("in_channels", in_channels), ("embedding", embedding)):
        if value < 1:
            raise ConfigError(f"{label} is {value}.", "It has to be at least 1.")
    try:
        return network.builder(in_channels, embedding + int(foreground), **widths)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"The network {name!r} cannot be built with {widths!r} ({error}).", "See its options."
        ) from error
