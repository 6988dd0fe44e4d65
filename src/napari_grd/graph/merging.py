"""What is left of earlier constraints when a later word contradicts them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_grd.graph.pairs import Groups, Ids, keys, unordered

if TYPE_CHECKING:
    from napari_grd.graph.constraints import Constraints


def remaining(parts: "Sequence[Constraints]", later: "Constraints") -> "list[Constraints]":
    """Earlier constraints without what a later word takes back; see :meth:`Constraints.merged_with`.

    Parameters
    ----------
    parts : sequence of Constraints
        What was said before, which does not contradict itself. A cut that has to go goes as a whole,
        but never takes those of another part along.
    later : Constraints
        Of the same number of axes.

    Returns
    -------
    list of Constraints
        For each part what is left of it.

    Examples
    --------
    >>> from napari_grd.graph.constraints import Constraints
    >>> (left,) = remaining([Constraints.split_points((0, 0), (0, 4))], Constraints.join_stroke([(0, 0), (0, 4)]))
    >>> len(left.apart)
    0
    """
    off, on, apart = keys(later.background), keys(later.on), keys(later.apart)
    links = [keys(part.together) for part in parts]
    gone = [np.logical_or(*np.isin(pairs, off).T) | _isin_pairs(pairs, apart) for pairs in links]
    groups = _groups(links, gone, later)
    wrong = groups.of(apart[groups.join(apart)][:, 0])
    if len(wrong):
        gone = [out | np.isin(groups.of(pairs[:, 0]), wrong) for pairs, out in zip(links, gone, strict=True)]
        groups = _groups(links, gone, later)
    return [
        _without(
            part,
            together=out,
            apart=_undone(keys(part.apart), groups),
            foreground=np.isin(keys(part.foreground), off),
            background=np.isin(keys(part.background), on),
        )
        for part, out in zip(parts, gone, strict=True)
    ]


def _without(part: "Constraints", **gone: NDArray[np.bool_]) -> "Constraints":
    if not any(out.any() for out in gone.values()):
        return part
    return part.without_check(**{name: getattr(part, name)[~out] for name, out in gone.items()})


def _groups(links: Sequence[Ids], gone: Sequence[NDArray[np.bool_]], later: "Constraints") -> Groups:
    left = [pairs[~out] for pairs, out in zip(links, gone, strict=True)]
    return Groups(np.concatenate([*left, keys(later.together)]))


def _undone(apart: Ids, groups: Groups) -> NDArray[np.bool_]:
    """Which pairs hang together with one that is linked now: a joined object would else leave them out."""
    undone = groups.join(apart)
    if not undone.any():
        return undone
    cuts = Groups(apart).of(apart[:, 0])
    whole: NDArray[np.bool_] = np.isin(cuts, cuts[undone])
    return whole


def _isin_pairs(pairs: Ids, others: Ids) -> NDArray[np.bool_]:
    """Which of the pairs are among the others, in either order."""
    found: NDArray[np.bool_] = np.logical_and(*np.isin(pairs, others).T)
    known = unordered(others) if found.any() else set()
    found[found] = [tuple(sorted(pair)) in known for pair in pairs[found].tolist()]
    return found
