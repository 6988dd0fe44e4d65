"""Labels in ``_seg.npy`` files of Cellpose, without running anything that such a file may hold.

They are pickled dictionaries, and unpickling calls whatever the file names. Here
nothing can be called but what rebuilds arrays and their types; anything else
becomes an object that does nothing.
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
        If the file is damaged, or none of Cellpose.
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
                raise ValueError("it holds a plain array")
            content = _Arrays(file).load()
        masks = np.asarray(content.item()["masks"])
        if masks.dtype.kind not in "buif" or masks.ndim < 2:
            raise ValueError(f"masks of type {masks.dtype} and shape {masks.shape}")
    except Exception as error:  # a pickle is a program, and a damaged one fails in any way
        raise DataError(
            f"The file {str(path)!r} cannot be read as labels of Cellpose ({type(error).__name__}: {error}).",
            "Save the masks in Cellpose as PNG or TIFF (File > Save masks).",
        ) from error
    return masks


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = module.startswith(_MODULES) and (module.rpartition(".")[2], name) in _ARRAYS
        if known or (module, name) in _OTHERS or (module == "numpy.dtypes" and name.isidentifier()):
            return super().find_class(module, name)
        return _Nothing


class _Nothing:
    """In place of whatever else the file names."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> "_Nothing":
        return self
