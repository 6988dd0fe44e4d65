"""Which student is worth its time: every network of the registry that is small enough, by time and AP50.

    python benchmarks/networks.py                                           # times alone, of random weights
    GRD_DATA=... python benchmarks/networks.py --models DIR                 # and the scores of trained models
    GRD_DATA=... python benchmarks/networks.py --models DIR --steps 4000    # which are trained if they are not there

Models are files ``DIR/NETWORK-SEED.grd.safetensors``. All are trained by the same recipe, on the training images of
``--sets`` with their labels and without a teacher, and scored on the validation images. Training is resumable.

Times are of the network alone, in OpenVINO, medians of calls that take turns. The last column is the time from a change
of the view (seven steps of up to 90 px, then three jumps) to its labels, on a simulated plane: the engine behind the
Live widget, without the window, for which see live.py. It needs a trained model, as random weights make random objects.
"""

import argparse
import queue
import statistics
from pathlib import Path
from typing import Any

import numpy as np

import napari_grd as grd
from common import FLUORESCENCE, ORIGIN, Dataset, score
from napari_grd.config import TrainConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.runtime import runtime_for
from napari_grd.live.session import LiveSession, LiveUpdate
from napari_grd.live.viewport import Viewport
from napari_grd.models.complexity import config_macs, config_parameters
from napari_grd.models.networks import names
from reporting import hardware, interleaved_ms, table
from series import load_sets, say, spread

SIZES = (512, 1024)
PRECISIONS = ("f32", "int8")
BASE = "resunet"  # with its default widths, ResUNet-tiny
LARGEST = 3_000_000  # parameters of a student
PLANE, VIEW = 1400, 512
Models = dict[str, dict[int, grd.Model]]  # by network and seed


def students() -> dict[str, grd.NetworkConfig]:
    """2D networks of the registry at their default widths, the base first, without those that are teachers."""
    networks = {name: grd.NetworkConfig(name=name) for name in sorted(names(2), key=lambda name: (name != BASE, name))}
    return {name: network for name, network in networks.items() if config_parameters(network) <= LARGEST}


def trained(networks: dict[str, grd.NetworkConfig], sets: list[Dataset], args: argparse.Namespace) -> Models:
    """The models that are in the folder or, with ``--steps``, are trained now."""
    found: Models = {name: {} for name in networks}
    for seed in args.seeds:  # seed by seed, so that a table cut short still compares like with like
        for name, network in networks.items():
            path = args.models / f"{name}-{seed}.grd.safetensors"
            if not path.exists() and args.steps:
                config = TrainConfig(network=network, steps=args.steps, seed=seed, device=args.device)
                images, labels = zip(*(item for data in sets for item in data.train), strict=True)
                folder = args.models / path.name.removesuffix(".grd.safetensors")
                options: dict[str, Any] = {"axes": sets[0].axes, "validation": 0.0, "out_dir": folder}
                model = grd.train(list(images), list(labels), config, on_event=say(folder.name), **options)
                grd.save_model(model, path)
            if path.exists():
                found[name][seed] = grd.load_model(path)
    return found


def representative(name: str, network: grd.NetworkConfig, models: Models, in_channels: int) -> grd.Model:
    """A model of that network to be timed, calibrated for int8."""
    known = list(models.get(name, {}).values())
    model = known[0] if known else grd.Model.create(grd.ModelConfig(network=network, in_channels=in_channels))
    image = nuclei_2d(np.random.default_rng(0), (256, 256))[0]
    channels = model.config.in_channels
    many = np.repeat(image[..., None], channels, -1)
    return grd.calibrate_int8(model, image if channels == 1 else many, axes="yx" if channels == 1 else "yxc")


def network_ms(models: dict[str, grd.Model], args: argparse.Namespace) -> dict[tuple[int, str], dict[str, float]]:
    """Median time of every network, by size of the image and precision."""
    result = {}
    for precision in PRECISIONS:
        config = grd.SegmentConfig(device="cpu", runtime="openvino", precision=precision, threads=args.threads)
        runtimes = {name: runtime_for(model, config) for name, model in models.items()}
        for size in SIZES:
            channels = models[BASE].config.in_channels
            image = np.random.default_rng(0).random((channels, size, size), np.float32)
            calls = {name: lambda run=run, image=image: run(image, lambda _: None) for name, run in runtimes.items()}
            result[size, precision] = interleaved_ms(calls, args.repeats)
    return result


def live_ms(model: grd.Model, rounds: int) -> float:
    """Median milliseconds from a change of the view to the labels of all that is seen."""
    plane = nuclei_2d(np.random.default_rng(1), (PLANE, PLANE))[0]
    channels = model.config.in_channels
    image = plane if channels == 1 else np.repeat(plane[..., None], channels, -1)
    source = ArraySource(image, "yx" if channels == 1 else "yxc", ndim=2, in_channels=channels)
    answers: queue.Queue[LiveUpdate | Exception] = queue.Queue()
    session = LiveSession(on_update=answers.put, on_error=lambda error, _: answers.put(error))
    session.set_model(model, grd.SegmentConfig(device="cpu"))
    session.set_source(source)
    rng = np.random.default_rng(0)
    low = np.array([(PLANE - VIEW) / 2] * 2)
    times = []
    for number in range(10 * rounds + 1):
        jump = number % 10 in (0, 8, 9)
        low = rng.uniform(0, PLANE - VIEW, 2) if jump else np.clip(low + rng.uniform(-90, 90, 2), 0, PLANE - VIEW)
        y, x = low.tolist()
        session.look_at(Viewport((), (y, x), (y + VIEW - 1, x + VIEW - 1)))
        while True:
            answer = answers.get(timeout=60)
            if isinstance(answer, Exception):
                raise answer
            if not answer.idle:
                break
        times.append(1000 * answer.seconds)
    session.close()
    session.wait(60)
    return statistics.median(times[1:])  # the first compiles the network


def report(
    networks: dict[str, grd.NetworkConfig], models: Models, sets: list[Dataset], args: argparse.Namespace
) -> str:
    """The table that docs/benchmarks.md shows."""
    channels = next((m.config.in_channels for each in models.values() for m in each.values()), 1)
    timed = {name: representative(name, network, models, channels) for name, network in networks.items()}
    times = network_ms(timed, args)
    rows: list[list[object]] = []
    for name, network in networks.items():
        row: list[object] = [f"`{name}`", f"{config_parameters(network, channels):,}"]
        row.append(f"{config_macs(network, channels):,.0f}")
        row += [f"{found[name]:.0f} ({found[name] / found[BASE]:.2f})" for found in times.values()]
        known = models.get(name, {})
        scores = [score(model, sets) for model in known.values()]
        row += [spread([found[data.name]["ap50"] for found in scores], 3) if scores else "not trained" for data in sets]
        row.append(f"{live_ms(timed[name], args.rounds):.0f}" if known and args.rounds else "–")
        rows.append(row)
    heads = [f"{precision}, {size}²" for size, precision in times]
    live = f"view of {VIEW}² to labels, ms"
    head = ["network", "parameters", "MAC/pixel", *heads, *(f"AP50 {data.name}" for data in sets), live]
    title = f"Times in ms (in units of `{BASE}`), medians of {args.repeats}; threads: {args.threads or 'all'}"
    return "\n".join([hardware(), "", title, "", table(head, rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, help="folder of trained models")
    parser.add_argument("--networks", nargs="+", help="only these, and the base")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of ten changes of the view, 0 for none")
    parser.add_argument("--device", default="auto", help="for training")
    parser.add_argument("--sets", nargs="+", default=list(FLUORESCENCE), choices=list(ORIGIN))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=0, help="train the models that are not there")
    parser.add_argument("--rehearsal", action="store_true", help="hold out training images, leave validation unread")
    parser.add_argument("--threads", type=int, default=0, help="of the networks that are timed")
    args = parser.parse_args()
    networks = {n: network for n, network in students().items() if not args.networks or n in (BASE, *args.networks)}
    sets: list[Dataset] = []
    models: Models = {}
    if args.models is not None:
        sets = load_sets(args)
        models = trained(networks, sets, args)
    elif args.steps:
        parser.error("--steps needs --models, the folder for the trained models")
    print(report(networks, models, sets, args))


if __name__ == "__main__":
    main()
