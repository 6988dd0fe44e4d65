"""The same affinities from a shorter embedding.

An embedding is a linear function of the features before it, so it lies in a subspace: from 8 features and a bias in one
of 9 dimensions, whatever its number of channels. In coordinates of an orthonormal basis of that subspace, norms and
inner products are the same.
"""

import copy
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from napari_grd.models.model import Model, weights_version

_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
_Version = tuple[tuple[int, int], ...]
_known: WeakKeyDictionary[nn.Module, tuple[_Version, tuple[nn.Module, int] | None]] = WeakKeyDictionary()


def compact(model: Model) -> Model:
    """A model with the shortest embedding that has the same affinities, for partitions only.

    Parameters
    ----------
    model : Model
        Its network is not changed.

    Returns
    -------
    Model
        The model itself if its network does not end in a convolution, or the embedding is not shorter. Otherwise one
        whose embedding is another one, but has the same cosines up to rounding, and whose foreground is the same.

    Examples
    --------
    >>> from napari_grd.models.model import ModelConfig
    >>> model = Model.create(ModelConfig())
    >>> model.embedding_channels, compact(model).embedding_channels
    (16, 9)
    """
    version = weights_version(model.network)
    stored = _known.get(model.network)
    if stored is None or stored[0] != version:
        stored = _known[model.network] = version, _compacted(model)
    if stored[1] is None:
        return model
    network, channels = stored[1]
    config = model.config.replace(network=model.config.network.replace(embedding=channels))
    return replace(model, network=network, config=config, pca=None)


def _compacted(model: Model) -> tuple[nn.Module, int] | None:
    """A changed copy of the network, and the length of its embedding; None if it would not be shorter."""
    network = copy.deepcopy(model.network).cpu().eval()
    last = _last_convolution(network, model)
    if last is None:
        return None
    channels = model.embedding_channels
    weight = last.weight.detach().double()
    columns = weight.reshape(len(weight), -1)
    if last.bias is not None:
        columns = torch.cat([columns, last.bias.detach().double()[:, None]], dim=1)
    if columns.shape[1] >= channels:
        return None
    reduced = torch.linalg.qr(columns[:channels], mode="r").R  # columns are those of the embedding in the new basis
    rows = torch.cat([reduced, columns[channels:]])
    if last.bias is not None:
        last.bias = _frozen(rows[:, -1], last.bias)
        rows = rows[:, :-1]
    last.weight = _frozen(rows.reshape(len(rows), *weight.shape[1:]), last.weight)
    last.out_channels = len(rows)
    return network, len(reduced)


def _frozen(values: Tensor, like: Tensor) -> nn.Parameter:
    return nn.Parameter(values.to(like.dtype).contiguous(), requires_grad=False)


def _last_convolution(network: nn.Module, model: Model) -> Any:
    """The convolution whose output is that of the network; None if there is none, or it is used elsewhere, too."""
    calls: list[tuple[nn.Module, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda used, _, output: calls.append((used, output)))
        for module in network.modules()
        if type(module) in _CONVOLUTIONS and module.groups == 1
    ]
    entry = model.entry
    sizes = [2 * (stride - margin) for stride, margin in zip(entry.strides, entry.margin, strict=True)]
    with torch.no_grad():
        output = network(torch.zeros(1, model.config.in_channels, *entry.input_size(sizes)))
    for hook in hooks:
        hook.remove()
    last = [module for module, result in calls if result is output]
    return last[0] if last and [module for module, _ in calls].count(last[0]) == 1 else None
