"""Size and computational cost of networks."""

import math
from functools import lru_cache

import torch
from torch import nn

from napari_grd.config import NetworkConfig
from napari_grd.models import networks
from napari_grd.models.model import Model, ModelConfig, count_parameters

_SIDES = {2: (128, 128), 3: (64, 128, 128)}

BYTES_PER_WEIGHT = 20
"""Memory of training per weight: itself, its gradient, two moments of the optimizer, the average."""

_LOSS_BYTES = 1300
"""Memory of the loss per pixel of a batch, in float32: measured with networks of 0.3 and 19 million weights."""


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
    """Number of weights of a network, computed without allocating them.

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
        return count_parameters(_created(network, in_channels).network)


@lru_cache(maxsize=64)
def config_macs(network: NetworkConfig, in_channels: int = 1) -> float:
    """Multiply-accumulates of a network for each pixel of its output; nothing is computed.

    The output has about 128 pixels a side (and 64 planes), on which the number depends for a network with a margin.

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
        model = _created(network, in_channels)
        size = _input_size(model)
        return count_macs(model.network, in_channels, size) / _output_pixels(model, size)


def step_bytes(network: NetworkConfig, pixels: int, in_channels: int = 1) -> float:
    """Approximate memory of a training step in float32; nothing is computed.

    Parameters
    ----------
    network : NetworkConfig
        The trained network.
    pixels : int
        Pixels of all patches of a batch, as the network's output has them.
    in_channels : int
        Channels of the images.

    Raises
    ------
    ConfigError
        If there is no such network, or its widths do not fit it.

    Examples
    --------
    >>> round(step_bytes(NetworkConfig(), pixels=8 * 256**2) / 1e9, 1)
    1.2
    """
    weights = BYTES_PER_WEIGHT * config_parameters(network, in_channels)
    return weights + pixels * (_kept_bytes(network, in_channels) + _LOSS_BYTES)


@lru_cache(maxsize=64)
def _kept_bytes(network: NetworkConfig, in_channels: int) -> float:
    """Activations per pixel that are stored for the backward pass."""
    kept: list[torch.Tensor] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.device("meta"):
        model = _created(network, in_channels)
        size = _input_size(model)
        net = model.network.train()
        try:
            with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
                net(torch.zeros(1, in_channels, *size))
        except Exception:  # a plugin's network may need real numbers: what is not known is not counted
            return 0.0
    # Without memory there are no addresses: storages are identified by their handles, which live as long as `kept`.
    sizes = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in kept}
    for weight in net.parameters():
        sizes.pop(weight.untyped_storage()._cdata, None)
    return sum(sizes.values()) / _output_pixels(model, size)


def _created(network: NetworkConfig, in_channels: int) -> Model:
    ndim = networks.entry(network.name).ndim
    return Model.create(ModelConfig(network=network, in_channels=in_channels, ndim=ndim))


def _input_size(model: Model) -> tuple[int, ...]:
    return model.entry.input_size(_SIDES[model.config.ndim])


def _output_pixels(model: Model, size: tuple[int, ...]) -> int:
    return math.prod(side - 2 * margin for side, margin in zip(size, model.margin, strict=True))
