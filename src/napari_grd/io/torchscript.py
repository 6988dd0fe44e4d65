"""Checks of a TorchScript file before it is loaded.

``torch.jit.load`` does not unpickle Python objects, so a TorchScript file does
not run Python. It is a program all the same: it may call torch's operators,
and two of them, ``torch.save`` and ``torch.from_file``, write and read any file
the user can; code of a ``__setstate__`` runs while the file is loaded. A network needs neither. The file is a zip: it
is checked as one, and its source is searched for the names of operators with external effects. The checked content is
repacked, so that torch cannot interpret the zip differently.
"""

import re
import zipfile
from pathlib import Path

from napari_grd.errors import ModelFileError
from napari_grd.io.archive import open_archive

_OUTSIDE = re.compile(rb"\b(save|from_file|load_tensor|debugprims|profiler|rpc|c10d|distributed)\b")
_MAX_SOURCE = 32 << 20


def secure_torchscript(path: Path) -> None:
    """Check a TorchScript file and repack it in place.

    Parameters
    ----------
    path : Path
        A file in a private folder; it is replaced by one of the same content.

    Raises
    ------
    ModelFileError
        If it is not a zip, is rejected by :func:`~napari_grd.io.archive.open_archive`,
        or its source names an operator that reads or writes files.
    """
    clean = path.with_name(f"{path.name}.checked")
    with open_archive(path) as archive:
        for name in archive.hashes:
            # torch ignores case when it looks for its source.
            if "/code/" not in f"/{name.lower()}" or name.lower().endswith(".debug_pkl"):
                continue
            if match := _OUTSIDE.search(archive.read(name, limit=_MAX_SOURCE)):
                raise ModelFileError(
                    f"The TorchScript weights {path.name!r} call {match[0].decode()!r} (in {name!r}), which can read or"
                    " write files; a network does not need that, and it was not run.",
                    "Use other weights of the model (weights='onnx'), or ask its authors. If you trust them, pass"
                    " trust_code=True.",
                )
        with archive.unpacked() as folder, zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as packed:
            for name in archive.hashes:
                packed.write(folder / name, name)
    clean.replace(path)
