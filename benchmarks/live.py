"""Does the student keep up with somebody who looks around, and does napari stay smooth?

    [GRD_DATA=...] python tests/with_display.py python benchmarks/live.py [--minutes 30]
    GRD_DATA=... python tests/with_display.py python benchmarks/live.py --slab 9 [--model neurites.grd.safetensors]

Drives a real napari window: a stack of mosaics of bbbc039_nuclei (without GRD_DATA of simulated nuclei), a canvas of
about 512 x 512 screen pixels at one screen pixel an image pixel, Live on. What
is timed ends when the labels have been drawn, not when they were computed.

While it runs a timer of 5 ms measures how much too late the event loop gets to
it. With ``--minutes`` it goes on panning, scrolling, toggling and opening
widgets, compares widgets, threads and memory before and after, and fails if some are left behind.

With ``--slab`` the image is a volume (fib25_em3d, mirrored to 128 x 1400 x 1400) and the model one for volumes, by
default with random weights. The time of a network does not depend on its weights, that of a partition does somewhat.
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import napari
import numpy as np
import psutil
from qtpy.QtCore import QCoreApplication, QEvent, Qt, QTimer
from qtpy.QtWidgets import QApplication

import napari_grd as grd
from napari_grd.config import NetworkConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.io.images import read_image
from napari_grd.io.listing import read_pairs
from napari_grd.models.model import Model, ModelConfig
from reporting import hardware, table
from segment_volume import volume

SIZE = 1400  # pixels of a plane: what is seen is an eighth of it
PLANES = 6
VIEW = 512
TICK = 5  # milliseconds


@dataclass
class Watch:
    """Delays of the event loop, in milliseconds, by what was going on."""

    during: str = "start"
    delays: dict[str, list[float]] = field(default_factory=dict)

    def start(self) -> None:
        """Begin to measure."""
        self._last = time.perf_counter()
        self._timer = QTimer(interval=TICK)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.delays.setdefault(self.during, []).append(max(0.0, 1000 * (now - self._last) - TICK))
        self._last = now


class Driver:
    """A napari with Live on, and hands on the camera and the sliders."""

    def __init__(self, stack: np.ndarray, model: str | grd.Model | None = None) -> None:
        self.viewer = napari.Viewer()
        self.layer = self.viewer.add_image(stack, name="mosaic")
        _, self.live = self.viewer.window.add_plugin_dock_widget("napari-grd", "Live")
        if model is not None:
            self.live.state.student = self.live.state.add(grd.load_model(model) if isinstance(model, str) else model)
        self.rng = np.random.default_rng(0)
        self.drawn = self.updated = 0
        canvas = self.viewer.window._qt_viewer.canvas
        canvas._scene_canvas.events.draw.connect(self._on_draw)
        show = self.live.output.show

        def shown(update: Any, *rest: Any) -> None:
            show(update, *rest)
            if not update.idle:
                self.updated += 1

        self.live.output.show = shown
        self._resize()

    def _resize(self) -> None:
        """Make the canvas VIEW pixels high and wide, or as near as the widgets around it allow."""
        for _ in range(3):
            self.rest(0.5)
            height, width = self.viewer.canvas.size
            window = self.viewer.window._qt_window
            window.resize(window.width() + VIEW - int(width), window.height() + VIEW - int(height))
        self.rest(0.5)
        self.canvas_size = tuple(int(side) for side in self.viewer.canvas.size)

    def _on_draw(self, _event: Any) -> None:
        self.drawn += 1

    def time(self, act: Callable[[], None], limit: float = 20.0) -> float:
        """Milliseconds from an action until its labels have been drawn."""
        updated, start = self.updated, time.perf_counter()
        act()
        self.until(lambda: self.updated > updated, limit)
        drawn = self.drawn
        self.until(lambda: self.drawn > drawn, 1.0)
        return 1000 * (time.perf_counter() - start)

    def until(self, true: Callable[[], bool], limit: float) -> None:
        """Run the event loop until something is true."""
        end = time.perf_counter() + limit
        while not true() and time.perf_counter() < end:
            QApplication.processEvents()
            # Qt deletes what was closed only in a real event loop, which this is not.
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
            time.sleep(0.0005)

    def rest(self, seconds: float) -> None:
        """Run the event loop for a while."""
        self.until(lambda: False, seconds)

    def move_to(self, y: float, x: float) -> None:
        """Put the camera over a place of the image, at one screen pixel an image pixel."""
        self.viewer.scene.camera.zoom = 1
        self.viewer.scene.camera.center = (0, y, x)

    def anywhere(self) -> None:
        """A place that is as a rule not yet segmented."""
        self.move_to(*self.rng.uniform(VIEW / 2, SIZE - VIEW / 2, 2))

    def pan(self) -> None:
        """A step of a drag."""
        _, y, x = self.viewer.scene.camera.center
        step = self.rng.uniform(-90, 90, 2)
        low, high = VIEW / 2, SIZE - VIEW / 2
        self.move_to(*np.clip((y + step[0], x + step[1]), low, high))

    def zoom(self) -> None:
        """A turn of the wheel."""
        self.viewer.scene.camera.zoom *= float(self.rng.choice([0.85, 1.25]))

    def scroll(self, planes: int = 1) -> None:
        """The next plane, or one further on."""
        self.viewer.dims.set_current_step(0, (self.viewer.dims.current_step[0] + planes) % len(self.layer.data))

    def slide(self) -> None:
        """Another split/merge bias."""
        bias = self.live.controls.bias
        bias.setValue(bias.value() + 0.05 if bias.value() < 0.25 else -0.25)


def random_model(network: str) -> grd.Model:
    """A model for volumes that has learned nothing."""
    config = ModelConfig(network=NetworkConfig(name=network), ndim=3, offsets=OFFSETS_3D, foreground=False)
    return Model.create(config).with_card(name=network)


def mosaics() -> np.ndarray:
    """PLANES different mosaics of real nuclei; of simulated ones without GRD_DATA."""
    root = os.environ.get("GRD_DATA")
    if not root:
        return np.stack([nuclei_2d(np.random.default_rng(number), (SIZE, SIZE))[0] for number in range(PLANES)])
    images = [read_image(pair.image).pixels for pair in read_pairs(Path(root) / "bbbc039_nuclei")]
    planes = []
    for number in range(PLANES):
        rows = [np.concatenate(images[9 * number + 3 * row :][:3], axis=1)[:, :SIZE] for row in range(3)]
        planes.append(np.concatenate(rows)[:SIZE])
    return np.stack(planes)


def slab(driver: Driver, repeats: int, planes: int) -> list[list[object]]:
    """Milliseconds, and processor milliseconds of the process, from a change of the view of a volume to its labels."""
    actions: dict[str, Callable[[], None]] = {
        "jump to another place": driver.anywhere,
        "pan by up to 90 px": driver.pan,
        "next plane, within the slab": driver.scroll,
        "next plane, a new slab": lambda: driver.scroll(3),
        "a plane beyond the slab": lambda: driver.scroll(2 * planes),
        "slider (split/merge)": driver.slide,
    }
    driver.live.form.planes.setValue(planes)
    driver.time(driver.anywhere, 120)
    rows = []
    for name, act in actions.items():
        times, processor = [], []
        for _ in range(repeats):
            driver.viewer.dims.set_current_step(0, int(driver.rng.integers(20, 90)))
            driver.time(driver.anywhere, 120)
            driver.rest(0.1)
            before = time.process_time()
            times.append(driver.time(act, 120))
            processor.append(1000 * (time.process_time() - before))
        rows.append([name, len(times), *_summary(times), statistics.median(processor)])
    return rows


def views(driver: Driver, repeats: int) -> list[list[object]]:
    """Milliseconds from a change of the view to labels on the screen."""
    actions: dict[str, Callable[[], None]] = {
        "pan by up to 90 px": driver.pan,
        "zoom": driver.zoom,
        "jump to another place": driver.anywhere,
        "next plane": driver.scroll,
    }
    # As people look around: mostly small steps.
    turn = ["pan by up to 90 px"] * 4 + ["zoom", "next plane"] + ["pan by up to 90 px"] * 3 + ["jump to another place"]
    found: dict[str, list[float]] = {name: [] for name in actions}
    driver.time(driver.anywhere)
    for number in range(repeats * len(turn)):
        name = turn[number % len(turn)]
        found[name].append(driver.time(actions[name]))
        driver.rest(0.15)
        if name == "zoom":
            driver.time(lambda: driver.move_to(*driver.viewer.scene.camera.center[1:]))
    rows = [[name, len(times), *_summary(times)] for name, times in found.items()]
    everything = [value for times in found.values() for value in times]
    return [*rows, ["all, in the mixture above", len(everything), *_summary(everything)]]


def sliders(driver: Driver, repeats: int) -> list[object]:
    """Milliseconds from a slider to new labels on the screen."""
    driver.time(driver.anywhere)
    driver.rest(1.0)
    times = [driver.time(driver.slide) for _ in range(repeats)]
    return ["slider (split/merge)", len(times), *_summary(times)]


def distilling(driver: Driver, watch: Watch, repeats: int) -> list[object]:
    """Milliseconds from a pan to labels on the screen while a student is trained in the same process."""
    watch.during = "Distill is opened"
    _, distill = driver.viewer.window.add_plugin_dock_widget("napari-grd", "Distill")
    with tempfile.TemporaryDirectory() as folder:
        distill.runs.setText(folder)
        # Short stages, so that a few minutes see validations and previews too.
        distill.form.set_value(distill.form.value().replace(steps=5000, validate_every=40))
        driver.rest(3.0)
        watch.during = "Distill is pressed: layers for previews, the teacher looks"
        distill.distill.click()
        driver.until(lambda: ("train", "loss") in distill.curves.points, 120)
        watch.during = "distilling, Live on, looking around"
        times = []
        for _ in range(repeats):
            times.append(driver.time(driver.pan))
            driver.rest(0.3)
        validated = len(distill.curves.points.get(("validation", "ap50"), [[]])[0])
        watch.during = "stopping"
        distill.bar.stop.click()
        driver.until(distill.distill.isEnabled, 60)
    return [f"pan while distilling ({validated} validations)", len(times), *_summary(times)]


def _summary(values: list[float]) -> list[float]:
    return [statistics.median(values), float(np.quantile(values, 0.95)), max(values)]


def manifest_ms() -> float:
    """What the plugin adds to the start of napari: reading its manifest."""
    code = (
        "import sys, time; from npe2 import PluginManifest; t = time.perf_counter();"
        "m = PluginManifest.from_distribution('napari-grd'); print(1000 * (time.perf_counter() - t));"
        "assert 'torch' not in sys.modules and 'napari_grd._napari.live.widget' not in sys.modules"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    return statistics.median(float(run.stdout) for run in runs)


def soak(driver: Driver, minutes: float) -> list[list[object]]:
    """Look around for long; what is left behind?"""
    actions = [driver.pan] * 6 + [driver.zoom, driver.scroll, driver.anywhere, driver.slide]
    rows = []
    end = time.monotonic() + 60 * minutes
    census_at = time.monotonic()
    number = 0
    while time.monotonic() < end:
        number += 1
        driver.rng.choice(actions)()
        driver.rest(0.3)
        if number % 40 == 0:
            driver.live.live.setChecked(False)
            driver.rest(0.5)
            driver.live.live.setChecked(True)
        if number % 60 == 0:
            name = str(driver.rng.choice(["Measure", "Inspect", "Evaluate", "Distill"]))
            dock, _ = driver.viewer.window.add_plugin_dock_widget("napari-grd", name)
            driver.rest(0.3)
            driver.viewer.window.remove_dock_widget(dock)
        if time.monotonic() >= census_at:
            rows.append([f"{minutes - (end - time.monotonic()) / 60:.0f} min", *_census(driver)])
            census_at += max(60.0, 60 * minutes / 6)
    return [*rows, ["end", *_census(driver)]]


def left_behind(rows: Sequence[Sequence[Any]]) -> list[str]:
    """What grew from the first to the last census: widgets, threads, and memory by 5 % in the second half."""
    problems = [
        f"{rows[-1][column] - rows[0][column]} {name} were left behind."
        for column, name in ((1, "widgets"), (2, "threads"))
        if rows[-1][column] > rows[0][column]
    ]
    middle = rows[len(rows) // 2][3]
    if rows[-1][3] > 1.05 * middle:
        problems.append(f"Memory grew from {middle:.0f} to {rows[-1][3]:.0f} MiB in the second half.")
    return problems


def _census(driver: Driver) -> list[object]:
    driver.rest(2.0)
    gc.collect()
    memory = psutil.Process().memory_info().rss / 2**20
    return [len(QApplication.allWidgets()), threading.active_count(), memory]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=6, help="rounds of ten changes of the view")
    parser.add_argument("--distill", type=int, default=0, help="pans while distilling")
    parser.add_argument("--minutes", type=float, default=0, help="how long to look around for leaks")
    parser.add_argument("--model", help="name or file of the live student; default: the first one that is built in")
    parser.add_argument("--slab", type=int, default=0, metavar="PLANES", help="of a volume: planes segmented at once")
    parser.add_argument("--network", default="subpixel_unet3d", help="with --slab and no --model: has random weights")
    args = parser.parse_args()
    print(hardware(), "\n", flush=True)
    if args.slab:
        driver = Driver(volume((128, SIZE, SIZE)), args.model or random_model(args.network))
        driver.move_to(SIZE / 2, SIZE / 2)
        driver.until(lambda: driver.live._model is not None, 300)
        driver.rest(1.0)
        before = time.process_time()
        first = driver.time(lambda: driver.live.live.setChecked(True), limit=120)
        processor = time.process_time() - before
        print(
            f"Canvas {driver.canvas_size}; from ticking Live, with the model loaded, to the first labels:"
            f" {first / 1000:.1f} s, of the processor {processor:.1f} s\n",
            flush=True,
        )
        heads = ["change", "times", "median ms", "p95 ms", "max ms", "processor ms, median"]
        print(table(heads, slab(driver, args.repeats, args.slab)))
        driver.live.live.setChecked(False)
        driver.viewer.close()
        return
    print(f"Reading the manifest: {manifest_ms():.0f} ms\n", flush=True)
    driver, watch = Driver(mosaics(), args.model), Watch()
    driver.move_to(SIZE / 2, SIZE / 2)
    driver.rest(1.0)
    watch.start()
    first = driver.time(lambda: driver.live.live.setChecked(True), limit=60)
    print(f"Canvas {driver.canvas_size}; from ticking Live to the first labels: {first / 1000:.1f} s\n", flush=True)
    watch.during = "looking around, Live on"
    rows, problems = views(driver, args.repeats), []
    watch.during = "sliders"
    rows.append(sliders(driver, 4 * args.repeats))
    if args.distill:
        rows.append(distilling(driver, watch, args.distill))
    print(table(["change", "times", "median ms", "p95 ms", "max ms"], rows), "\n", flush=True)
    if args.minutes:
        watch.during = "for long"
        rows = soak(driver, args.minutes)
        print(table(["after", "widgets", "threads", "MiB"], rows), "\n", flush=True)
        problems = left_behind(rows)
    delays = [[name, len(values), *_summary(values)] for name, values in watch.delays.items()]
    print(table(["event loop late, while", "ticks", "median ms", "p95 ms", "max ms"], delays, digits=1))
    driver.live.live.setChecked(False)
    driver.viewer.close()
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
