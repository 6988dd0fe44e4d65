"""The corrections of one image, in the order they were made.

For every correction ever made, the collection stores whether it is active and since
when. Order, undo, redo and merging follow from that: where two collections disagree
about a correction, the newer entry wins. So a file and a journal that share half of
their corrections merge as the files of two users do, and applying an entry twice
changes nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from napari_grd.corrections.correction import Correction
from napari_grd.corrections.image import ImageRef
from napari_grd.errors import CorrectionError

_TICK = timedelta(microseconds=1)
_START = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(3000, 1, 1, tzinfo=UTC)
_LAST = _END - timedelta(days=1)  # what claims to be later leaves no room for the next one, and is moved


@dataclass(frozen=True)
class Entry:
    """The last word on a correction.

    Attributes
    ----------
    correction : Correction
        With its time.
    counts : bool
        False once it was undone.
    changed : datetime
        When that was decided: when it was made, undone or redone.
    """

    correction: Correction
    counts: bool  # False once it was undone
    changed: datetime  # when that was decided: when it was made, undone or redone

    @property
    def time(self) -> datetime:
        """When the correction was made."""
        if self.correction.time is None:
            raise CorrectionError("A correction has no time.", "Hand it to Corrections.add, which gives it one.")
        return self.correction.time

    def newer(self, other: "Entry") -> "Entry":
        """The newer of two entries of one correction; symmetric."""
        return max(self, other, key=lambda entry: (entry.changed, entry.counts, repr(entry.correction)))


class Corrections:
    """Corrections of one image.

    Parameters
    ----------
    image : ImageRef
        Which image they are of.
    corrections : iterable of Correction
        They are added in this order.

    Raises
    ------
    CorrectionError
        If one does not fit the image.

    Notes
    -----
    Iterating gives those that count, oldest first. Two collections are equal
    if they are of the same image and these are equal.

    Examples
    --------
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Merge
    >>> corrections = Corrections(ImageRef((64, 64)))
    >>> _ = corrections.add(Merge([(5, 5), (5, 20)]))
    >>> _ = corrections.undo()
    >>> len(corrections), corrections.redo().kind, len(corrections)
    (0, 'join', 1)
    """

    def __init__(self, image: ImageRef, corrections: Iterable[Correction] = ()) -> None:
        self.image = image
        self._entries: dict[str, Entry] = {}
        self._ordered: tuple[Entry, ...] | None = None
        self._latest = _START
        for correction in corrections:
            self.add(correction)

    def __iter__(self) -> Iterator[Correction]:
        return (entry.correction for entry in self.entries if entry.counts)

    def __len__(self) -> int:
        return sum(entry.counts for entry in self._entries.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Corrections):
            return NotImplemented
        return self.image == other.image and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Corrections({len(self)} of {self.image})"

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The last word on every correction ever made, undone ones too, oldest first."""
        if self._ordered is None:
            self._ordered = tuple(sorted(self._entries.values(), key=lambda entry: (entry.time, entry.correction.id)))
        return self._ordered

    @property
    def planes(self) -> tuple[tuple[int, ...], ...]:
        """The planes with corrections, sorted."""
        return tuple(sorted({correction.plane for correction in self}))

    def of_plane(self, plane: tuple[int, ...] = ()) -> tuple[Correction, ...]:
        """The corrections of one plane, oldest first."""
        return tuple(correction for correction in self if correction.plane == tuple(plane))

    @property
    def undoable(self) -> Correction | None:
        """What the next undo would take back."""
        return next((entry.correction for entry in reversed(self.entries) if entry.counts), None)

    @property
    def redoable(self) -> Correction | None:
        """What the next redo would bring back; None if nothing was undone, or a correction was added since."""
        newest = max((entry.time for entry in self._entries.values()), default=_START)
        undone = [entry for entry in self._entries.values() if not entry.counts and entry.changed > newest]
        return max(undone, key=lambda entry: (entry.changed, entry.correction.id)).correction if undone else None

    def add(self, correction: Correction) -> Correction:
        """Add a correction.

        Returns
        -------
        Correction
            As it was added: its time is set, or moved behind everything that was done before.

        Raises
        ------
        CorrectionError
            If it does not fit the image, or was added before.
        """
        if correction.id in self._entries:
            raise CorrectionError(f"The correction {correction.id} was added before.", "Make a new one.")
        self.image.check(correction)
        time = self._next_time(correction.time)
        return self._accept(Entry(replace(correction, time=time), True, time))

    def undo(self) -> Correction | None:
        """Take the last correction back and return it; None if there is none."""
        last = self.undoable
        return None if last is None else self._accept(Entry(last, False, self._next_time()))

    def redo(self) -> Correction | None:
        """Let the correction undone last count again and return it; None if there is none, or one was added since."""
        last = self.redoable
        return None if last is None else self._accept(Entry(last, True, self._next_time()))

    def _accept(self, entry: Entry) -> Correction:
        """Add an entry that was made here."""
        return self.put(entry).correction

    def put(self, entry: Entry) -> Entry:
        """Add the entry of a correction, unless there is a newer one.

        Returns
        -------
        Entry
            The entry; one dated on the last day before the year 3000 is moved to just after the newest.

        Raises
        ------
        CorrectionError
            If the correction does not fit the image, or has no time.
        """
        self.image.check(entry.correction)
        if not entry.time <= entry.changed < _END:
            raise CorrectionError(
                f"The correction {entry.correction.id} was undone or redone before it was made, or in the far future.",
                "Correct its times.",
            )
        if entry.changed >= _LAST:
            entry = self._moved(entry)
        earlier = self._entries.get(entry.correction.id)
        self._entries[entry.correction.id] = entry if earlier is None else entry.newer(earlier)
        self._ordered = None
        self._latest = max(self._latest, entry.changed)
        return entry

    def _moved(self, entry: Entry) -> Entry:
        """An entry from the end of time, moved to just after the newest."""
        made = entry.time if entry.time < _LAST else _START
        changed = max(made, self._latest + _TICK)
        if made == _START:
            entry = replace(entry, correction=replace(entry.correction, time=changed))
        return replace(entry, changed=changed)

    def merge(self, other: "Corrections") -> "Corrections":
        """All corrections of both, in the order of their times; neither changes.

        It does not matter which is merged with which, nor how often: of a
        correction that both have, the newer word counts, e.g. that it was undone.

        Raises
        ------
        CorrectionError
            If they are of two images.
        """
        merged = Corrections(self.image.merged(other.image))
        for entry in (*self.entries, *other.entries):
            merged.put(entry)
        return merged

    def copy(self) -> "Corrections":
        """A copy that stays as it is when this one changes."""
        return Corrections.merge(self, self)

    def _next_time(self, wanted: datetime | None = None) -> datetime:
        """Now, or just after the newest entry: clocks are set back, and are too coarse."""
        return max(wanted or datetime.now(UTC), self._latest + _TICK)
