"""Content hashes: the cache keys of a teacher's outputs."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # a hash of pixels does not need torch
    from napari_grd.models.model import Model


def image_key(array: NDArray[Any]) -> str:
    """A hash of an array's dtype, shape and values.

    Parameters
    ----------
    array : numpy.ndarray
        Any layout in memory: equal arrays have equal keys, whether or not they
        are contiguous or in native byte order.

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> a = np.arange(6).reshape(2, 3)
    >>> image_key(a) == image_key(a.copy()), image_key(a) == image_key(a.T)
    (True, False)
    """
    array = np.asarray(array)
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
    digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=16)
    digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def file_key(path: Path) -> str:
    """A hash of a file's bytes: 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def text_key(*parts: object) -> str:
    """A hash of texts, or of what their texts determine: 32 hexadecimal digits."""
    return hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def model_fingerprint(model: "Model") -> str:
    """A hash of everything that determines a model's outputs: its config and its weights.

    The card and the PCA basis are excluded: they do not affect the outputs.

    Parameters
    ----------
    model : Model
        On any device; the result does not depend on it.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(model.config.model_dump_json(by_alias=True).encode(), digest_size=16)
    for name, tensor in sorted(model.network.state_dict().items()):
        digest.update(f"{name}:{image_key(tensor.detach().cpu().numpy())}".encode())
    return digest.hexdigest()
