"""Progress of a fine-tuning that ends after a number of steps or a time, whichever comes first."""

import time
from collections.abc import Iterator

from napari_grd.config import FineTuneConfig
from napari_grd.jobs import Progress

LEARN = "Learning"
"""The stage in progress events."""

_THOUSAND = 1000  # units of the bar: a time limit has no number of steps


class Clock:
    """Counts the steps and seconds of all trainings of one fine-tuning."""

    def __init__(self, config: FineTuneConfig) -> None:
        self.step = 0
        self._steps, self._seconds = config.steps, config.seconds
        self._start = time.monotonic()
        self._shown = 0.0
        self._training = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def share(self) -> float:
        """Of steps or time, whichever is further: 0 to 1."""
        done = self.step / self._steps
        return min(1.0, done if self._seconds is None else max(done, self.elapsed / self._seconds))

    def steps_within(self, most: int, share: float) -> Iterator[int]:
        """Count up to ``most`` steps, at least one, for at most a share of the time limit, each before it is made."""
        started = time.monotonic()
        for number in range(1, most + 1):
            begun = time.monotonic()
            yield number
            self.step += 1
            self._training += time.monotonic() - begun
            if self._seconds is not None and time.monotonic() - started >= share * self._seconds:
                return

    def progress(self) -> Progress:
        """The event for now; it never falls."""
        self._shown = max(self._shown, self.share)
        left = None
        if self.step:
            left = self._training / self.step * max(0, self._steps - self.step)
        if self._seconds is not None:
            rest = max(0.0, self._seconds - self.elapsed)
            left = rest if left is None else min(left, rest)
        return Progress(LEARN, min(_THOUSAND - 1, round(_THOUSAND * self._shown)), _THOUSAND, left)

    @staticmethod
    def over() -> Progress:
        """The last event."""
        return Progress(LEARN, _THOUSAND, _THOUSAND, 0.0)
