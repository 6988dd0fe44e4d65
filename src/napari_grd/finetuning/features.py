"""Large networks learn in their last layers: what the frozen layers before them make of a patch is computed once.

Training a large network as a whole takes too long on a CPU. Its first part is frozen, the patches are drawn from a
fixed set, and the features that the first part computes from each are kept in memory.
"""

import hashlib

import torch
from torch import Tensor

from napari_grd.config import FineTuneConfig
from napari_grd.errors import ConfigError
from napari_grd.models.model import Model
from napari_grd.models.split import SplitNetwork

_LARGE = 1_000_000  # parameters above which a network learns in its last layers
_PATCHES = 256  # of all examples together
_VIEWS = 4, 64  # patches of an example, at least and at most
_BYTES = 1 << 30  # of all features that are kept


class FeatureCache:
    """Features of patches, by their content; beyond ``limit`` bytes they are computed whenever they are needed."""

    def __init__(self, limit: int = _BYTES) -> None:
        self._limit = limit
        self._computed: dict[bytes, tuple[Tensor, ...]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._computed)

    @torch.no_grad()
    def of(self, network: SplitNetwork, images: Tensor) -> tuple[Tensor, ...]:
        """The features of a batch ``(B, C, *S)``, on its device."""
        each = [self._one(network, image) for image in images]
        return tuple(torch.stack(level).to(images.device) for level in zip(*each, strict=True))

    def _one(self, network: SplitNetwork, image: Tensor) -> tuple[Tensor, ...]:
        key = hashlib.blake2b(image.cpu().numpy().tobytes(), digest_size=16).digest()
        cached = self._computed.get(key)
        if cached is not None:
            return cached
        features = tuple(level[0].cpu() for level in network.encode(image[None]))
        size = sum(level.nbytes for level in features)
        if self.bytes + size <= self._limit:
            self._computed[key] = features
            self.bytes += size
        return features


def learns_in_decoder(model: Model, config: FineTuneConfig) -> bool:
    """Whether only the last layers are trained."""
    split = isinstance(model.network, SplitNetwork)
    if config.train == "decoder" and not split:
        raise ConfigError(
            f"The network {model.config.network.name!r} cannot be split into encoder and decoder.",
            'Set train to "all" or "auto".',
        )
    if config.train != "auto":
        return config.train == "decoder"
    return split and sum(weights.numel() for weights in model.network.parameters()) > _LARGE


def views(examples: int) -> int:
    """Number of fixed patches of each of so many examples.

    Examples
    --------
    >>> views(3), views(20), views(1000)
    (64, 12, 4)
    """
    least, most = _VIEWS
    return min(max(_PATCHES // max(1, examples), least), most)
