"""Peak memory and time of one large plane through a built-in model.

    python benchmarks/large_plane.py [SIDE]

The plane is made of a simulated field of 1000 x 1000 pixels with nuclei, repeated; the default side is 12000 pixels.
"""

import resource
import sys
import time

import numpy as np

import napari_grd as grd
from napari_grd.data.simulate import nuclei_2d

_FIELD = 1000


def main(side: int) -> None:
    """Print what was taken."""
    field, _ = nuclei_2d(np.random.default_rng(0), (_FIELD, _FIELD))
    image = np.tile(np.asarray(field, np.uint16), (-(-side // _FIELD),) * 2)[:side, :side].copy()
    model = grd.load_model("nuclei")
    grd.segment(model, image[:512, :512])
    before, start = _peak(), time.perf_counter()
    labels = grd.segment(model, image, on_event=_tell)
    seconds = time.perf_counter() - start
    print(
        f"{side} x {side} {image.dtype}: {labels.max()} objects in {seconds:.0f} s,"
        f" peak {_peak():.2f} GiB ({before:.2f} GiB before)"
    )


def _tell(event: grd.Event) -> None:
    if isinstance(event, grd.Notice):
        print(event.message)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12000)
