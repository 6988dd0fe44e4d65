"""Combining constraints: later ones override earlier ones that contradict them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import ConfigError
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.pairs import Groups, Ids, each_once, keys, unordered


def merged(earlier: Constraints, later: Constraints) -> Constraints:
    """Constraints of two gestures; where they contradict each other, ``later`` counts.

    * A pixel set later is what it was set to later; links of a pixel that is
      now background are gone.
    * A split across an earlier stroke removes the links it crosses. If both
      sides are still linked some other way, that whole group of links is removed.
    * A link across an earlier split removes the whole split (all pairs that are
      connected with those it contradicts): the merged object would otherwise
      leave out the pixels along the split.

    Parameters
    ----------
    earlier, later : Constraints
        Of the same number of axes.

    Returns
    -------
    Constraints

    Raises
    ------
    ConfigError
        If one is of a plane and the other of a volume.

    Examples
    --------
    >>> split = Constraints.split_stroke([(0, 1.5), (8, 1.5)], (8, 4))
    >>> stroke = Constraints.merge_stroke([(3, 0), (3, 3)])
    >>> len(merged(split, stroke).cannot_link), len(merged(stroke, split).must_link)
    (0, 2)
    """
    if later.ndim != earlier.ndim:
        raise ConfigError(
            f"Constraints of {earlier.ndim} and of {later.ndim} axes cannot be merged.", "Use those of one image."
        )
    return Constraints.union([*remaining([earlier], later), later], earlier.ndim)


def remaining(parts: Sequence[Constraints], later: Constraints) -> list[Constraints]:
    """Earlier constraints without what a later word takes back; see :func:`merged`.

    Parameters
    ----------
    parts : sequence of Constraints
        Earlier constraints, free of contradictions. A split that is overridden is removed as a whole,
        but never together with that of another part.
    later : Constraints
        Of the same number of axes.

    Returns
    -------
    list of Constraints
        For each part what is left of it.

    Examples
    --------
    >>> (left,) = remaining([Constraints.split_points((0, 0), (0, 4))], Constraints.merge_stroke([(0, 0), (0, 4)]))
    >>> len(left.cannot_link)
    0
    """
    off, all_foreground, cannot_link = keys(later.background), keys(later.all_foreground), keys(later.cannot_link)
    links, of_link = _all(parts, "must_link")
    gone = np.logical_or(*np.isin(links, off).T) | _isin_pairs(links, cannot_link)
    groups = Groups(np.concatenate([links[~gone], keys(later.must_link)]))
    wrong = groups.of(cannot_link[groups.join(cannot_link)][:, 0])
    if len(wrong):
        gone |= np.isin(groups.of(links[:, 0]), wrong)
        groups = Groups(np.concatenate([links[~gone], keys(later.must_link)]))
    cuts, of_cut = _all(parts, "cannot_link")
    undone = groups.join(cuts)
    for number in np.unique(of_cut[undone]).tolist():
        here = of_cut == number
        undone[here] = _whole(cuts[here], undone[here])
    foreground, of_foreground = _all(parts, "foreground")
    background, of_background = _all(parts, "background")
    lost = {
        "must_link": _split(gone, of_link, len(parts)),
        "cannot_link": _split(undone, of_cut, len(parts)),
        "foreground": _split(np.isin(foreground, off), of_foreground, len(parts)),
        "background": _split(np.isin(background, all_foreground), of_background, len(parts)),
    }
    return [
        _without(part, **{name: masks[number] for name, masks in lost.items() if number in masks})
        for number, part in enumerate(parts)
    ]


def condensed(parts: Sequence[Constraints]) -> Constraints:
    """Constraints that say the same as several parts at once, in no more pairs than that takes.

    Parameters
    ----------
    parts : sequence of Constraints
        At least one; of one number of axes, and known not to contradict each other.

    Returns
    -------
    Constraints
        Of links, those that hold the same pixels together; of anything else, each once.

    Examples
    --------
    >>> stroke = Constraints.merge_stroke([(0, 0), (0, 4)])
    >>> len(condensed([stroke, stroke, Constraints.merge_stroke([(0, 0), (0, 2)])]).must_link)
    4
    """
    whole = parts[0].union(parts, parts[0].ndim)
    return whole.without_check(
        must_link=whole.must_link[Groups(keys(whole.must_link)).needed],
        cannot_link=each_once(whole.cannot_link),
        foreground=each_once(whole.foreground),
        background=each_once(whole.background),
    )


def _all(parts: Sequence[Constraints], name: str) -> tuple[Ids, Ids]:
    """The pixels of all parts as numbers, and which part each is of: one array is faster than hundreds."""
    arrays = [getattr(part, name) for part in parts]
    counts = np.array([len(each) for each in arrays], np.int64)
    row = 2 if name in ("must_link", "cannot_link") else 1
    if not counts.any():
        return np.empty((0, 2) if row == 2 else 0, np.int64), np.empty(0, np.int64)
    return keys(np.concatenate(arrays)), np.repeat(np.arange(len(parts)), counts)


def _split(gone: NDArray[np.bool_], of: Ids, count: int) -> dict[int, NDArray[np.bool_]]:
    """What is gone of each part, for the parts of which something is."""
    starts = np.searchsorted(of, np.arange(count + 1))
    return {number: gone[starts[number] : starts[number + 1]] for number in np.unique(of[gone]).tolist()}


def _without(part: Constraints, **gone: NDArray[np.bool_]) -> Constraints:
    if not gone:
        return part
    return part.without_check(**{name: getattr(part, name)[~out] for name, out in gone.items()})


def _whole(cannot_link: Ids, undone: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pairs of a split of which one is linked now: a merged object would otherwise leave out their pixels."""
    cuts = Groups(cannot_link).of(cannot_link[:, 0])
    whole: NDArray[np.bool_] = np.isin(cuts, cuts[undone])
    return whole


def _isin_pairs(pairs: Ids, others: Ids) -> NDArray[np.bool_]:
    """Which of the pairs are among the others, in either order."""
    candidates: NDArray[np.bool_] = np.logical_and(*np.isin(pairs, others).T)
    unordered_pairs = unordered(others) if candidates.any() else set()
    candidates[candidates] = [tuple(sorted(pair)) in unordered_pairs for pair in pairs[candidates].tolist()]
    return candidates
