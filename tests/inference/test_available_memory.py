"""How much memory there is, as seen from within containers, jobs of clusters and limits."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from napari_grd.inference import memory
from napari_grd.inference.memory import _of_groups, available_memory


def group(folder: Path, limit: object, used: int, *, old: bool = False, cached: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if old else ("memory.max", "memory.current")
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{'total_' * old}inactive_file {cached}\n")


def test_the_narrowest_group_around_this_process_decides(tmp_path: Path) -> None:
    root, member = tmp_path / "cgroup", tmp_path / "self"
    member.write_text("0::/slurm/job/step\n")
    group(root / "slurm", 900, 500)
    group(root / "slurm" / "job", 400, 100, cached=20)
    group(root / "slurm" / "job" / "step", "max", 50)
    assert _of_groups(root, member) == 320


def test_groups_of_the_first_kind(tmp_path: Path) -> None:
    root, member = tmp_path / "cgroup", tmp_path / "self"
    member.write_text("9:cpu:/a\n4:memory:/docker/x\n")
    group(root / "memory", 2**63 - 4096, 100, old=True)
    group(root / "memory" / "docker" / "x", 1000, 900, old=True, cached=300)
    assert _of_groups(root, member) == 400


def test_a_container_that_sees_itself_as_the_root(tmp_path: Path) -> None:
    root, member = tmp_path / "cgroup", tmp_path / "self"
    member.write_text("0::/../outside\n")
    group(root, 700, 800)
    assert _of_groups(root, member) == 0
    assert _of_groups(tmp_path / "none", tmp_path / "nothing") is None


def test_a_limit_of_address_space_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (used + 10**6, -1))
    found = available_memory()
    assert found is not None
    assert found < 10**8
    monkeypatch.setattr(memory, "_of_process", lambda: None)
    more = available_memory()
    assert more is not None
    assert more >= found


_FAULTS = """
import resource
import numpy as np
from napari_grd.inference.memory import freed_memory_returned

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(3 * 2**17)  # 3 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
outside = faults()
with freed_memory_returned(), freed_memory_returned():
    inside = faults()
print(outside, inside, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="without effect elsewhere")
def test_freed_memory_is_returned_only_where_that_is_wanted():
    found = subprocess.run([sys.executable, "-c", _FAULTS], check=True, capture_output=True, text=True).stdout
    outside, inside, after = map(int, found.split())
    assert inside > 20 * 500
    assert max(outside, after) < 1000
