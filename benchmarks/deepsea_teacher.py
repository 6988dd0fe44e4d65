"""Does a student that has seen no label reach DeepSea, a network for phase contrast that others have trained?

    pip install --no-deps deepsea==0.0.3
    GRD_DATA=... python benchmarks/deepsea_teacher.py --out runs/deepsea

DeepSea (MIT; 2.0 M parameters) reads a gray image of 383 x 512 pixels and predicts cells, and edges between cells. Its
function teaches through the labels made from both. The training images of usiigaci_phase are taken without their
labels, teacher and student are scored on its validation images. ``--rehearsal`` holds out a fifth of the training
images instead: the settings of the labels were chosen there (``--teacher-only``).
"""

import argparse
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed
from skimage.transform import resize

import napari_grd as grd
from common import Dataset, load, score
from domains import DOMAINS
from napari_grd.config import AssistantConfig, DistillConfig, LossWeights, OptimConfig
from reporting import hardware, table

DATA = "usiigaci_phase"
SHOWN = ("ap50", "aji", "sbd", "pq")
SIZE = (383, 512)  # of the images that DeepSea was trained on


class DeepSea:
    """DeepSea as a function from an image to labels and the probability of cells.

    Parameters
    ----------
    threshold : float
        A pixel above this probability belongs to a cell.
    edge : float
        A cell grows from a connected region whose probability of an edge is below this one.
    min_size : int
        Regions of fewer pixels of the network's image are no cell.
    """

    def __init__(self, threshold: float, edge: float, min_size: int) -> None:
        from deepsea.model import DeepSeaSegmentation

        self._network = DeepSeaSegmentation(n_channels=1, n_classes=2).eval()
        weights = files("deepsea") / "trained_models" / "segmentation.pth"
        self._network.load_state_dict(torch.load(str(weights), map_location="cpu", weights_only=True))
        self._threshold, self._edge, self._min_size = threshold, edge, min_size

    def __call__(self, image: NDArray[Any]) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        small = resize(image.astype(np.float32), SIZE, anti_aliasing=True)
        scaled = 2 * (small - small.min()) / max(float(np.ptp(small)), 1e-6) - 1
        with torch.inference_mode():
            outputs = self._network(torch.from_numpy(scaled.astype(np.float32))[None, None])
        cell, edge = (output.softmax(1)[0, 1].numpy() for output in outputs)
        inside = cell > self._threshold
        seeds = ndimage.label(remove_small_objects(inside & (edge < self._edge), max_size=self._min_size))[0]
        labels = watershed(edge - cell, seeds, mask=inside)
        large = resize(labels.astype(np.int32), image.shape, order=0, preserve_range=True, anti_aliasing=False)
        return large.astype(np.uint32), resize(cell, image.shape).astype(np.float32)


def score_teacher(teacher: DeepSea, data: Dataset) -> dict[str, float]:
    """DeepSea's own instances against the annotation."""
    found = [teacher(image)[0] for image, _ in data.validation]
    scores = grd.evaluate(reference=[labels for _, labels in data.validation], labels=found, min_size=data.min_size)
    return {key: getattr(scores, key) for key in SHOWN}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/deepsea"))
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--edge", type=float, default=0.15)
    parser.add_argument("--min-size", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--start", default="cells", help="student to start from; it must not have seen the set")
    parser.add_argument("--rehearsal", action="store_true", help="leave the validation images unread")
    parser.add_argument("--teacher-only", action="store_true", help="score DeepSea, distill nothing")
    args = parser.parse_args()
    data = load(DATA, rehearsal=args.rehearsal)
    deepsea = DeepSea(args.threshold, args.edge, args.min_size)
    rows = {"DeepSea": score_teacher(deepsea, data)}
    if not args.teacher_only:
        config = DistillConfig(
            minutes=args.minutes,
            batch=4,
            patch=128,
            weights=LossWeights(agd=2, node=0.02, edge=0.1, agd_inter=0.8, igd_inter=0.2),
            assistant=AssistantConfig(use=False),
            augment=DOMAINS["phase"].augment,
            optim=OptimConfig(lr=1.5e-3, ema=0.998),
        )
        teacher = grd.load_teacher(
            "callable", function=deepsea, version=f"0.0.3 {args.threshold} {args.edge} {args.min_size}"
        )
        student = grd.distill(
            teacher,
            [image for image, _ in data.train],
            config=config,
            validation=0.0,
            start=args.start,
            out_dir=args.out / "student",
            on_event=_show,
        )
        grd.save_model(student, args.out / "student.grd.safetensors")
        rows["student, no label"] = score(student, [data])[DATA]
        rows[f"{args.start}, before"] = score(grd.load_model(args.start), [data])[DATA]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "scores.json").write_text(json.dumps(rows, indent=1))
    print(hardware())
    print(table([DATA, *SHOWN], [[name, *(each[key] for key in SHOWN)] for name, each in rows.items()], 3))


def _show(event: grd.Event) -> None:
    if isinstance(event, grd.Progress) and event.done % 100 == 0:
        print(f"{event.stage}: {event.done} of {event.total}", flush=True)


if __name__ == "__main__":
    main()
