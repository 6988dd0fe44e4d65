"""Parts of an example that take long to compute, as a teacher's prediction of a block."""

from collections.abc import Callable


class Missing(Exception):
    """What was to be read is not there yet.

    Parameters
    ----------
    compute : callable
        Computes it; then it can be read.
    """

    def __init__(self, compute: Callable[[], None]) -> None:
        super().__init__("not computed yet")
        self.compute = compute
