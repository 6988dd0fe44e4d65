"""How large a network is, and how much it computes."""

from functools import lru_cache

import torch
from torch import nn

from napari_grd.config import NetworkConfig
from napari_grd.models.model import Model, ModelConfig, count_parameters

_SIDE = 128


def count_macs(network: nn.Module, in_channels: int, size: tuple[int, ...]) -> int:
    """Multiply-accumulates of one forward pass on one image (convolutions and matrix products).

    Parameters
    ----------
    network : torch.nn.Module
        The network; its mode is kept.
    in_channels : int
        Channels of the image.
    size : tuple of int
        Spatial size of the image in pixels.
    """
    from torch.utils.flop_counter import FlopCounterMode  # takes a second to import

    training = network.training
    network.eval()
    device = next(network.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, in_channels, *size, device=device))
    network.train(training)
    return int(counter.get_total_flops()) // 2


def config_parameters(network: NetworkConfig, in_channels: int = 1) -> int:
    """Number of weights of a network; none is made, so even a big one costs nothing.

    Raises
    ------
    ConfigError
        If there is no such network, or its widths do not fit it.

    Examples
    --------
    >>> config_parameters(NetworkConfig())
    295749
    """
    with torch.device("meta"):
        return count_parameters(Model.create(ModelConfig(network=network, in_channels=in_channels)).network)


@lru_cache(maxsize=64)
def config_macs(network: NetworkConfig, in_channels: int = 1) -> float:
    """Multiply-accumulates of a network for each pixel of an image; nothing is computed.

    Raises
    ------
    ConfigError
        If there is no such network, or its widths do not fit it.

    Examples
    --------
    >>> round(config_macs(NetworkConfig()))
    18784
    """
    with torch.device("meta"):
        net = Model.create(ModelConfig(network=network, in_channels=in_channels)).network
        return count_macs(net, in_channels, (_SIDE, _SIDE)) / _SIDE**2
