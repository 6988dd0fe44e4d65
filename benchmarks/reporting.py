"""What every benchmark prints: the machine in words, medians, and a markdown table."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from napari_grd.inference.openvino_runtime import has_bf16


def hardware() -> str:
    """The machine and the versions that matter, in a sentence."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "openvino", "numba"))
    # Other work on the machine shows in every number.
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    system = f"{platform.system()}, Python {platform.python_version()}"
    bf16 = "with" if has_bf16() else "without"
    return f"{_cpu()} {bf16} bf16, {cores} cores, {gpu}, {system}, {versions}{load}."


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def median_ms(function: Callable[[], object], repeats: int) -> float:
    """Median time of a call in milliseconds, after one call that does not count."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def interleaved_ms(functions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median times in milliseconds of functions that take turns, so that other work on the machine slows all alike."""
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(found) for name, found in times.items()}


def table(header: Sequence[str], rows: Sequence[Sequence[object]], digits: int = 0) -> str:
    """A markdown table; floats are shown with so many decimals."""
    cells = [[f"{cell:.{digits}f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
