"""Models of one channel as starts for images of several."""

from dataclasses import replace

from napari_grd.models.model import Model


def widened(model: Model, channels: int) -> Model:
    """A new model for several channels that predicts what a model of one channel predicts of their mean.

    Weights that read the image are repeated and divided by the number of channels.

    Examples
    --------
    >>> import torch
    >>> from napari_grd.models.model import ModelConfig
    >>> one = Model.create(ModelConfig())
    >>> widened(one, 3).network(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 17, 32, 32])
    """
    wide = Model.create(model.config.replace(in_channels=channels, contrast=None))
    weights = model.network.state_dict()
    for name, value in wide.network.state_dict().items():
        if weights[name].shape != value.shape:
            weights[name] = weights[name].expand(value.shape) / channels
    wide.network.load_state_dict(weights)
    wide.network.eval()
    card = model.card.replace(parameters=wide.card.parameters)
    return replace(wide, card=card, pca=model.pca)
