"""int8 is near to f32, says so, and is prepared once."""

from dataclasses import replace

import numpy as np
import pytest

from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, GrdError
from napari_grd.inference import quantize
from napari_grd.inference.int8_calibration import calibrate_int8
from napari_grd.inference.runtime import runtime_for
from napari_grd.inference.segment import predict
from napari_grd.models.model import Model

INT8 = SegmentConfig(precision="int8", device="cpu")


@pytest.fixture(scope="module")
def calibrated(model):
    return calibrate_int8(model, np.random.default_rng(0).random((200, 200), np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cache that the tests share, as quantizing takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(folder, monkeypatch):
    monkeypatch.setattr(quantize, "user_cache_path", lambda _: folder)
    return folder / "int8"


def anew(model):
    """The same model with no runtime prepared."""
    other = Model.create(model.config, model.card)
    other.network.load_state_dict(model.network.state_dict())
    other.network.eval()
    return replace(other, calibration=model.calibration)


def test_int8_is_near_f32_and_recorded(calibrated, capfd):
    image = np.random.default_rng(1).random((90, 100), np.float32)
    found = predict(calibrated, image, INT8)
    exact = predict(calibrated, image, INT8.replace(precision="f32"))
    assert (found.precision, exact.precision) == ("int8", "f32")
    assert np.corrcoef(found.embedding.ravel(), exact.embedding.ravel())[0, 1] > 0.95
    assert not np.array_equal(found.embedding, exact.embedding)
    assert capfd.readouterr() == ("", "")


def test_it_is_prepared_once_and_kept_on_disk(calibrated, cache, monkeypatch):
    image = np.random.default_rng(1).random((1, 64, 64), np.float32)
    first = runtime_for(anew(calibrated), INT8)(image)
    assert [file.suffix for file in cache.iterdir()] == [".zip"]
    monkeypatch.setattr(quantize, "quantize", lambda *_: pytest.fail("it was prepared again"))
    np.testing.assert_array_equal(runtime_for(anew(calibrated), INT8)(image), first)


def test_a_damaged_cache_is_made_again_and_one_that_cannot_be_written_only_costs_time(
    calibrated, tmp_path, monkeypatch
):
    made = []
    monkeypatch.setattr(quantize, "quantize", lambda graph, _: made.append(1) or graph)
    monkeypatch.setattr(quantize, "user_cache_path", lambda _: tmp_path)
    runtime_for(anew(calibrated), INT8)
    (file,) = (tmp_path / "int8").glob("*.zip")
    file.write_bytes(file.read_bytes()[:100])
    runtime_for(anew(calibrated), INT8)
    assert len(made) == 2
    monkeypatch.setattr(quantize, "user_cache_path", lambda _: file)
    assert runtime_for(anew(calibrated), INT8).precision == "int8"
    assert len(made) == 3


def test_other_patches_are_another_network(calibrated, tmp_path, monkeypatch):
    monkeypatch.setattr(quantize, "quantize", lambda graph, _: graph)
    monkeypatch.setattr(quantize, "user_cache_path", lambda _: tmp_path)
    other = calibrate_int8(calibrated, np.random.default_rng(3).random((200, 200), np.float32) ** 4)
    assert other.network is calibrated.network
    assert runtime_for(calibrated, INT8) is not runtime_for(other, INT8)
    assert len(list((tmp_path / "int8").glob("*.zip"))) >= 1


def test_what_it_takes_is_named(model, calibrated):
    with pytest.raises(GrdError, match="not calibrated"):
        runtime_for(model, INT8)
    with pytest.raises(ConfigError, match=r"'int8'.*torch"):
        runtime_for(calibrated, INT8.replace(runtime="torch"))
