import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, GrdError
from napari_grd.inference import openvino_runtime, runtime
from napari_grd.inference.runtime import runtime_for
from napari_grd.models.model import Model, ModelConfig

F32 = SegmentConfig(precision="f32", device="cpu")
TORCH = F32.replace(runtime="torch")
OPENVINO = F32.replace(runtime="openvino")


@pytest.fixture
def image():
    return np.random.default_rng(0).random((1, 64, 96), np.float32)


def reference(model, image):
    with torch.no_grad():
        return model.network(torch.from_numpy(image)[None])[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("config", [TORCH, OPENVINO], ids=["torch", "openvino"])
def test_output_is_the_networks_in_channels_last_layout(model, image, config):
    output = runtime_for(model, config)(image)
    assert output.shape == (64, 96, 17)
    assert output.dtype == np.float32
    assert output.flags.c_contiguous
    assert output.flags.writeable
    np.testing.assert_allclose(output, reference(model, image), rtol=0, atol=2e-4)  # another order of summation


@pytest.mark.parametrize("config", [TORCH, OPENVINO], ids=["torch", "openvino"])
def test_an_output_can_be_taken_without_a_copy(model, image, config):
    middle = runtime_for(model, config)(image, lambda output: output[16:40, 3:].astype(np.float16))
    assert middle.dtype == np.float16
    np.testing.assert_allclose(middle, runtime_for(model, config)(image)[16:40, 3:], rtol=2e-3, atol=1e-3)


def test_compiled_for_one_size_at_a_time(model, image):
    any_size, one_size = runtime_for(model, OPENVINO), runtime_for(model, OPENVINO, one_size=True)
    assert one_size is not any_size
    for part in (image, image[:, :32], image):
        np.testing.assert_allclose(one_size(part), any_size(part), rtol=0, atol=2e-4)


@pytest.mark.parametrize("config", [TORCH, OPENVINO], ids=["torch", "openvino"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 37), (5, 7), (33, 16)])
def test_any_size_runs(model, config, shape):
    output = runtime_for(model, config)(np.ones((1, *shape), np.float32))
    assert output.shape == (*shape, 17)
    assert output.flags.c_contiguous
    assert np.isfinite(output).all()


@pytest.mark.parametrize("config", [TORCH, OPENVINO], ids=["torch", "openvino"])
def test_a_result_survives_the_next_call(model, image, config):
    run = runtime_for(model, config)
    first = run(image)
    kept = first.copy()
    run(image + 1)
    np.testing.assert_array_equal(first, kept)


def test_threads_share_a_runtime(model, image):
    images = [image + offset for offset in range(4)]
    expected = [reference(model, each) for each in images]
    found = [None] * 4

    def work(index):
        found[index] = runtime_for(model, OPENVINO)(images[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)


def test_the_network_is_left_as_it_is(image):
    model = Model.create(ModelConfig())
    model.network.train()
    runtime_for(model, TORCH)(image)
    assert all(module.training for module in model.network.modules())
    assert all(parameter.requires_grad for parameter in model.network.parameters())


def test_runtimes_are_kept_until_the_weights_change(image):
    model = Model.create(ModelConfig())
    first = runtime_for(model, TORCH)
    assert runtime_for(model, TORCH) is first
    assert runtime_for(model.with_card(name="renamed"), TORCH) is first
    assert runtime_for(model, TORCH.replace(threads=1)) is not first
    with torch.no_grad():
        model.network.head.bias += 1
    second = runtime_for(model, TORCH)
    np.testing.assert_allclose(second(image), first(image) + 1, atol=1e-5)


def test_a_runtime_does_not_keep_its_network_alive():
    model = Model.create(ModelConfig())
    runtime_for(model, TORCH)
    network = weakref.ref(model.network)
    del model
    gc.collect()
    assert network() is None


def test_thread_count_is_restored(model, image):
    before = torch.get_num_threads()
    runtime_for(model, TORCH.replace(threads=before + 1))(image)
    assert torch.get_num_threads() == before


@pytest.mark.skipif(sys.platform != "linux", reason="only there a thread's processors can be asked for")
@pytest.mark.parametrize("one_size", [False, True])
def test_threads_are_bound_to_no_processor(model, one_size):
    # Two processes with a thread each would otherwise share the first processor.
    network, seen = runtime_for(model, OPENVINO.replace(threads=1), one_size=one_size), set()
    image, others = np.zeros((1, 256, 256), np.float32), _processors()  # of threads of other tests
    thread = threading.Thread(target=lambda: [network(image) for _ in range(10)])
    thread.start()
    while thread.is_alive():
        seen.update(bound for number, bound in _processors().items() if number not in others)
        time.sleep(0.001)
    assert seen == {frozenset(os.sched_getaffinity(0))}


def _processors():
    """The processors on which each thread of this process may run."""
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):
            found[thread.name] = frozenset(os.sched_getaffinity(int(thread.name)))
    return found


def test_auto_takes_openvino_on_a_cpu_and_the_precision_it_has(model, monkeypatch):
    auto = SegmentConfig(device="cpu")
    found = runtime_for(model, auto)
    assert (found.name, found.precision) == ("openvino", "bf16" if openvino_runtime.has_bf16() else "f32")
    monkeypatch.setattr(runtime, "_openvino_installed", lambda: False)
    assert runtime_for(model, auto).name == "torch"


def test_bf16_is_never_faked(model, image, monkeypatch):
    monkeypatch.setattr(openvino_runtime, "has_bf16", lambda: False)
    found = runtime_for(model, SegmentConfig(runtime="openvino", precision="bf16"))
    assert (found.name, found.precision) == ("torch", "bf16")
    difference = np.abs(found(image) - reference(model, image)).max()
    assert 1e-3 < difference < 1


def test_missing_openvino_is_an_error_only_if_asked_for(model, monkeypatch):
    monkeypatch.setattr(runtime, "_openvino_installed", lambda: False)
    with pytest.raises(GrdError, match="pip install openvino"):
        runtime_for(model, OPENVINO)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "xpu"])
def test_absent_devices_are_named(model, device):
    with pytest.raises(ConfigError, match=repr(device)):
        runtime_for(model, TORCH.replace(device=device))


def test_openvino_runs_on_the_cpu_only(model, monkeypatch):
    monkeypatch.setattr(runtime, "resolve_device", torch.device)
    with pytest.raises(ConfigError, match="'openvino' and device is 'cuda'"):
        runtime_for(model, OPENVINO.replace(device="cuda"))


def test_openvino_sends_no_telemetry(tmp_path):
    code = """
import sys
import numpy as np
from napari_grd.config import SegmentConfig
from napari_grd.inference.runtime import runtime_for
from napari_grd.models.model import Model, ModelConfig
runtime_for(Model.create(ModelConfig()), SegmentConfig(runtime="openvino"))(np.zeros((1, 16, 16), np.float32))
assert sys.modules["openvino_telemetry"] is None
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
"""
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **home}, check=True)
    assert list(tmp_path.rglob("*")) == []
