"""Networks in two parts, of which the first can be frozen and its output kept."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class SplitNetwork(Protocol):
    """A network with ``network(x) == network.decode(network.encode(x))``, to the last bit."""

    @property
    def encoder(self) -> Sequence[nn.Module]:
        """The modules of ``encode``. None of them is part of ``decode``."""
        ...

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features ``(B, C, *S)`` of several resolutions, of images ``(B, C, *S)``."""
        ...

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        """The network's output, from its features."""
        ...
