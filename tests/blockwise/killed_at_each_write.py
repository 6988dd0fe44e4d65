"""A job in a process that is killed at its n-th change of the file system, and gone on with by another.

    python tests/blockwise/killed_at_each_write.py        # every n
    python tests/blockwise/killed_at_each_write.py 6      # the first and last 6, as test_store.py does

It is a program because each job runs in a fork: threads of torch or zarr must not have begun.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask  # noqa: F401 - once, not in every fork
import numpy as np

import napari_grd.blockwise.grid
from napari_grd.blockwise.block_work import BlockWork
from napari_grd.blockwise.segment_zarr import segment_zarr
from napari_grd.config import SegmentConfig
from napari_grd.errors import GrdError
from napari_grd.hub import load_model

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "open"}
KILLED, REFUSED = 9, 2


def main() -> None:
    model = load_model("nuclei")
    image = np.random.default_rng(0).random((40, 70)).astype(np.float32)
    napari_grd.blockwise.grid._SIDE = 32  # type: ignore[attr-defined]
    napari_grd.blockwise.grid.CHUNK = 32  # type: ignore[attr-defined]
    BlockWork._segment = segmented  # type: ignore[method-assign]
    settings = SegmentConfig(object_diameter=None, invert=False, runtime="torch", threads=1)

    def job(target: Path, last: int) -> int:
        """Exit status of a fork that does the job and is killed at a change; it leaves the number of changes."""
        pid = os.fork()
        if pid:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        count = 0

        def watch(event: str, values: tuple[Any, ...]) -> None:
            nonlocal count
            reads = event == "open" and not int(values[2]) & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGES and not reads and str(target) in str(values[0]):
                count += 1
                if count == last:
                    os._exit(KILLED)

        sys.addaudithook(watch)
        try:
            segment_zarr(model, image, target, settings)
        except GrdError:
            os._exit(REFUSED)
        finally:
            (target.parent / "count").write_text(str(count))
        os._exit(0)

    with TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.ome.zarr"
        assert job(whole, 0) == 0
        wanted = contents(whole)
        count = int((Path(folder) / "count").read_text())
        for number in range(1, count + 1):
            if len(sys.argv) > 1 and int(sys.argv[1]) < number <= count - int(sys.argv[1]):
                continue
            target = Path(folder) / f"{number}.ome.zarr"
            if job(target, number) != KILLED:
                break  # the number of changes varies a little
            status = job(target, 0)
            assert status == 0, (number, status)
            assert contents(target) == wanted, (number, contents(target))
            print(number, status, flush=True)


def segmented(work: BlockWork, number: int) -> None:
    """Instead of a network: an object for each block, and one that is in all."""
    block, (plane, _) = work.grid.block(number), work.grid.place(number)
    rows, _ = np.mgrid[block.pixels]
    labels = np.where(rows < 8, 1, 2 * (rows > 20)).astype(np.uint32)
    work.store.write_block(number, plane, block.core, labels[block.inner], work._faces(number, block.pixels, labels))


def contents(folder: Path) -> dict[str, Any]:
    """Names of all files, and the labels."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {"names": names, "labels": [(folder / name).read_bytes() for name in names if "/c/" in name]}


if __name__ == "__main__":
    main()
