"""The memory bank: summaries of past teacher images for the terms across images (method.md, sections 8 to 10).

Of a past image, those terms need only the mean embedding of its instances and the ``C x C`` Gram matrix of its pooled
unit embeddings. Storing these instead of the embedding gives the same values with about two kilobytes per image.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from scipy.linalg import hadamard
from torch import Tensor

from napari_grd.graph.precision import full_precision, promote, unit_vectors

_WINDOWS = {2: (7, 7), 3: (3, 7, 7)}  # pixels, in the order of the image's axes


@dataclass(frozen=True)
class BankEntry:
    """The summary of one teacher image.

    Attributes
    ----------
    nodes : Tensor
        ``(M, C)`` mean embedding of each instance, not normalized. Entries drawn from
        a bank have condensed nodes if there were many, see :func:`condense_nodes`.
    gram : Tensor
        ``(C, C)``, ``P P^T`` of the pooled unit embeddings ``P (C, n)``.
    count : int
        The number ``n`` of pooled positions.
    """

    nodes: Tensor
    gram: Tensor
    count: int


class MemoryBank:
    """The last ``capacity`` teacher images, of which each step draws ``sample``.

    Draw before pushing the images of the step, so that no image is compared with itself.

    Parameters
    ----------
    capacity : int
        Maximum number of entries; the oldest are dropped first.
    sample : int
        Entries drawn at a time.

    Examples
    --------
    >>> bank = MemoryBank(capacity=2, sample=1)
    >>> bank.push(BankEntry(torch.ones(1, 3), torch.eye(3), count) for count in (1, 2, 3))
    >>> len(bank), bank.draw()[0].count in (2, 3)
    (2, True)
    """

    def __init__(self, capacity: int = 32, sample: int = 12) -> None:
        self.sample = sample
        self._entries: deque[BankEntry] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, entries: Iterable[BankEntry]) -> None:
        """Add entries, condensed and detached from the computation graph."""
        for entry in entries:
            # Both are often views of a whole batch, which a clone releases.
            nodes = condense_nodes(entry.nodes.detach()).clone()
            gram = promote(entry.gram.detach()).clone()
            self._entries.append(BankEntry(nodes, gram, entry.count))

    def draw(self, generator: torch.Generator | None = None) -> list[BankEntry]:
        """Up to ``sample`` different entries, in random order."""
        order = torch.randperm(len(self), generator=generator)[: self.sample]
        return [self._entries[i] for i in order.tolist()]

    def state_dict(self) -> dict[str, Tensor]:
        """The entries as plain tensors, oldest first.

        Returns
        -------
        dict of str to Tensor
            ``nodes (sum M, C)``, ``node_counts (size,)``, ``grams (size, C, C)``, ``counts (size,)``.
        """
        entries = list(self._entries)
        return {
            "nodes": torch.cat([entry.nodes for entry in entries]) if entries else torch.zeros(0, 0),
            "node_counts": torch.tensor([len(entry.nodes) for entry in entries], dtype=torch.int64),
            "grams": torch.stack([entry.gram for entry in entries]) if entries else torch.zeros(0, 0, 0),
            "counts": torch.tensor([entry.count for entry in entries], dtype=torch.int64),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Replace all entries by those of a :meth:`state_dict`."""
        nodes = torch.split(state["nodes"], state["node_counts"].tolist())
        self._entries.clear()
        self.push(map(BankEntry, nodes, state["grams"], state["counts"].tolist()))


def pool_embedding(embedding: Tensor) -> Tensor:
    """Unit embeddings, averaged in windows of 7x7 (3x7x7 in a volume) (method.md, section 9).

    Windows do not overlap and there is no padding: those at the far border average the existing pixels. The averages
    are not normalized again.

    Parameters
    ----------
    embedding : Tensor
        ``(B, C, *S)``, 2 or 3 spatial axes.

    Returns
    -------
    Tensor
        float32 ``(B, C, n)``, positions in row-major order.

    Examples
    --------
    >>> pool_embedding(torch.ones(1, 4, 8, 14)).shape
    torch.Size([1, 4, 4])
    """
    with full_precision(embedding):
        return _pool(unit_vectors(embedding, dim=1)).flatten(2)


def pool_mask(mask: Tensor) -> Tensor:
    """Which windows of :func:`pool_embedding` contain a pixel of a mask.

    Parameters
    ----------
    mask : Tensor
        bool ``(B, *S)``, 2 or 3 spatial axes.

    Returns
    -------
    Tensor
        bool ``(B, n)``.

    Examples
    --------
    >>> pool_mask(torch.eye(8, dtype=torch.bool)[None]).tolist()
    [[True, False, False, True]]
    """
    return _pool(mask[:, None].float()).flatten(1) > 0


def bank_entries(pooled: Tensor, nodes: Sequence[Tensor]) -> list[BankEntry]:
    """Entries for a batch of teacher images.

    Parameters
    ----------
    pooled : Tensor
        ``(B, C, n)`` from :func:`pool_embedding`.
    nodes : sequence of Tensor
        For each image ``(N_b, C)`` from :func:`~napari_grd.graph.instances.instance_nodes`.

    Returns
    -------
    list of BankEntry
        One per image.

    Examples
    --------
    >>> entry, = bank_entries(torch.ones(1, 2, 3), [torch.ones(5, 2)])
    >>> entry.gram.tolist(), entry.count
    ([[3.0, 3.0], [3.0, 3.0]], 3)
    """
    with full_precision(pooled):
        grams = promote(pooled) @ promote(pooled).mT
    return [BankEntry(n, gram, pooled.shape[2]) for n, gram in zip(nodes, grams, strict=True)]


def condense_nodes(nodes: Tensor) -> Tensor:
    """At most about ``C`` unit vectors that replace any number of nodes.

    The edge term across images (method.md, section 10) is ``mean_l (d . u_l)^2`` for unit nodes
    ``u_l`` and depends on them through ``G = mean_l u_l u_l^T`` alone. With
    ``G = V diag(s) V^T`` the rows of ``H diag(sqrt(s)) V^T`` are unit vectors with the
    same ``G``, because the columns of a Hadamard matrix ``H`` are orthogonal, its
    entries are 1 or -1, and the eigenvalues ``s`` add up to 1.

    Parameters
    ----------
    nodes : Tensor
        ``(M, C)``.

    Returns
    -------
    Tensor
        float32 ``(P, C)`` with ``P`` the smallest power of two not below ``C``, or the nodes themselves if they are at
        most that many.

    Examples
    --------
    >>> condense_nodes(torch.randn(200, 16)).shape
    torch.Size([16, 16])
    """
    count, channels = nodes.shape
    size = 1 << (channels - 1).bit_length()
    if count <= size:
        return promote(nodes)
    with full_precision(nodes):
        unit = unit_vectors(nodes, dim=1)
        scatter = (unit.T @ unit / count).cpu().double()  # not every accelerator has eigh or float64
        spread, axes = torch.linalg.eigh(scatter)
        signs = torch.from_numpy(hadamard(size, dtype=float))[:, :channels]
        few: Tensor = (signs * spread.clamp(min=0).sqrt()) @ axes.T
        return few.to(unit)


def _pool(values: Tensor) -> Tensor:
    """Averages (B, C, *S) in windows."""
    window = _WINDOWS[values.ndim - 2]
    pool = torch.nn.functional.avg_pool2d if len(window) == 2 else torch.nn.functional.avg_pool3d
    return pool(values, window, ceil_mode=True)
