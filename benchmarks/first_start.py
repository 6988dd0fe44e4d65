"""How long numba compiles at the first segmentation after an installation.

    python benchmarks/first_start.py

Two new processes partition a small embedding, and then segment a simulated image with `nuclei`: one with an empty cache
for compiled code, one with what the first left there. Processor seconds, as others may use the machine.
"""

import os
import subprocess
import sys
import tempfile

from reporting import hardware, table

_RUN = """
import time
import numpy as np
import napari_grd as grd
from napari_grd.data.simulate import nuclei_2d
from napari_grd.graph.partition import warm_up

model, image = grd.load_model("nuclei"), nuclei_2d(np.random.default_rng(0))[0]
times = [time.process_time()]
for do in (warm_up, lambda: grd.segment(model, image)):
    do()
    times.append(time.process_time())
print(*np.diff(times))
"""


def main() -> None:
    print(hardware(), "\n", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("empty", "filled"):
            done = subprocess.run(
                [sys.executable, "-c", _RUN],
                env=os.environ | {"NUMBA_CACHE_DIR": folder},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            rows.append([cache, *(f"{float(seconds):.1f}" for seconds in done.stdout.split())])
    print(table(["cache", "first partition, processor s", "first segmentation after it, processor s"], rows))


if __name__ == "__main__":
    main()
