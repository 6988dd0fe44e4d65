"""Labels in ``_seg.npy`` files of Cellpose, read without executing code in the file.

They are pickled dictionaries, and unpickling calls functions that the file names. Here only functions that rebuild
arrays and their types can be called; anything else becomes an inert object.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import DataError

SUFFIX = "_seg.npy"

_ARRAYS = {
    ("multiarray", "_reconstruct"),
    ("multiarray", "scalar"),
    ("numeric", "_frombuffer"),
}
_MODULES = ("numpy.core.", "numpy._core.")
_OTHERS = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"), ("collections", "OrderedDict")}


def read_seg(path: Path) -> NDArray[Any]:
    """The label image in a file of Cellpose.

    Raises
    ------
    DataError
        If the file is damaged, or not from Cellpose.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            _, _, dtype = read_header(file)
            if not dtype.hasobject:
                raise ValueError("it contains a plain array")
            content = _Arrays(file).load()
        masks = np.asarray(content.item()["masks"])
        if masks.dtype.kind not in "buif" or masks.ndim < 2:
            raise ValueError(f"masks of type {masks.dtype} and shape {masks.shape}")
    except Exception as error:  # a damaged pickle can raise any error
        raise DataError(
            f"The file {str(path)!r} cannot be read as Cellpose labels ({type(error).__name__}: {error}).",
            "Save the masks in Cellpose as PNG or TIFF (File > Save masks).",
        ) from error
    return masks


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        is_array = module.startswith(_MODULES) and (module.rpartition(".")[2], name) in _ARRAYS
        if is_array or (module, name) in _OTHERS or (module == "numpy.dtypes" and name.isidentifier()):
            return super().find_class(module, name)
        return _Nothing


class _Nothing:
    """Replaces everything else that the file names."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> "_Nothing":
        return self
