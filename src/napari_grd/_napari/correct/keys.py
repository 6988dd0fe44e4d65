"""Keys of a layer, for as long as it is corrected."""

from collections.abc import Callable, Iterator
from typing import Any


class LayerKeys:
    """Binds keys to one layer, before napari's own, and gives them back.

    Parameters
    ----------
    layer : Layer
        It has to be the selected one for its keys to work.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._bound: list[str] = []

    def bind(self, key: str, call: Callable[[], object]) -> None:
        """Call something when a key is pressed."""
        self._layer.bind_key(key, lambda _layer: call() and None, overwrite=True)
        self._bound.append(key)

    def bind_hold(self, key: str, press: Callable[[], object], release: Callable[[], object]) -> None:
        """Call something when a key is pressed, and something else when it is let go."""

        def held(_layer: Any) -> Iterator[None]:
            press()
            yield
            release()

        self._layer.bind_key(key, held, overwrite=True)
        self._bound.append(key)

    def release(self) -> None:
        """Give all keys back."""
        while self._bound:
            self._layer.bind_key(self._bound.pop(), None)
