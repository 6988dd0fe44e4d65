"""StarDist teaches: its real network, small and untrained, and perfect distances in its real post-processing."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ConfigError, ImageError, ModelFileError
from napari_grd.graph.affinities import affinities_from_labels, valid_mask
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.metrics.scores import evaluate
from napari_grd.teaching import stardist as adapter
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.prediction_check import check_prediction
from napari_grd.teaching.registry import load_teacher

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow has no wheels for Python 3.14"),
]

IMAGE, LABELS = nuclei_2d(np.random.default_rng(0), (90, 112))
RAYS = 32
Build = Callable[..., Any]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Makes a small StarDist2D with its folder; each pixel takes itself for part of an object of radius 6."""
    from stardist.models import Config2D, StarDist2D

    def make(name: str, channels: int = 1, grid: tuple[int, int] = (2, 2)) -> Any:
        config = Config2D(
            n_rays=RAYS, grid=grid, n_channel_in=channels, unet_n_depth=1, unet_n_filter_base=4, net_conv_after_unet=8
        )
        model = StarDist2D(config, name=name, basedir=str(tmp_path_factory.mktemp("models")))
        layer = model.keras_model.get_layer("dist")
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel, bias + 6])
        model.keras_model.save_weights(str(model.logdir / "weights_best.h5"))
        return model

    return make


@pytest.fixture(scope="module")
def model(build: Build) -> Any:
    return build("tiny")


def test_it_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert adapter.info().available
    monkeypatch.setattr(adapter, "find_spec", lambda package: None if package == "tensorflow" else object())
    info = adapter.info()
    assert not info.available
    assert info.reason == 'tensorflow missing: pip install "napari-grd[stardist]"'


@pytest.mark.parametrize("channels", [1, 3])
def test_the_real_network_answers(build: Build, channels: int) -> None:
    model = build(f"of {channels}", channels)
    teacher = adapter.load(model, prob_threshold=0.1)
    assert isinstance(teacher, Teacher)
    prediction = teacher.predict(np.stack([IMAGE] * channels))
    check_prediction(prediction, IMAGE.shape)
    assert prediction.labels.max() > 3
    assert prediction.foreground is not None
    assert np.all(prediction.foreground[prediction.labels > 0] > 0.5)


def test_a_folder_gives_the_same_as_the_model(model: Any) -> None:
    loaded, given = adapter.load(model.logdir, prob_threshold=0.1), adapter.load(model, prob_threshold=0.1)
    assert loaded.name == given.name == "stardist tiny"
    assert loaded.fingerprint == given.fingerprint
    assert loaded.fingerprint != adapter.load(model, prob_threshold=0.2).fingerprint
    np.testing.assert_array_equal(loaded.predict(IMAGE[None]).labels, given.predict(IMAGE[None]).labels)


@pytest.mark.parametrize("grid", [(1, 1), (2, 2)])
def test_probability_and_distances_become_labels_and_affinities(
    build: Build, monkeypatch: pytest.MonkeyPatch, grid: tuple[int, int]
) -> None:
    from stardist import edt_prob, star_dist

    model = build("perfect", grid=grid)
    every = (slice(None, None, grid[0]), slice(None, None, grid[1]))
    output = (edt_prob(LABELS)[every], star_dist(LABELS, RAYS)[every])

    def perfect(image: NDArray[Any], **_: Any) -> Any:
        yield output

    monkeypatch.setattr(model, "_predict_generator", perfect)
    prediction = adapter.load(model).predict(IMAGE[None])
    assert evaluate(reference=LABELS, labels=prediction.labels).ap50 == 1
    expected = affinities_from_labels(torch.from_numpy(LABELS.astype(np.int64))[None], OFFSETS_2D)[0].numpy()
    valid = valid_mask(LABELS.shape, OFFSETS_2D).numpy()
    assert prediction.affinities is not None
    assert ((prediction.affinities > 0.5) == (expected > 0.5))[
        valid
    ].mean() > 0.98  # polygons of few rays are a little smaller


def test_nothing_is_downloaded_unasked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from stardist.models import StarDist2D

    def offline(name: str) -> None:
        raise OSError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(StarDist2D, "from_pretrained", offline)
    with pytest.raises(ModelFileError, match=rf"fluo' is not .*{tmp_path}.*fluo\.zip' is missing.*https://.*download"):
        load_teacher("stardist")
    with pytest.raises(ModelFileError, match="OSError: no network"):
        adapter.load_here("2D_versatile_fluo", download=True)


def test_what_is_no_model(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"named '2D_nuclei'.*2D_versatile_fluo"):
        adapter.load_here("2D_nuclei", download=False)
    with pytest.raises(ModelFileError, match=r"contains no StarDist weights"):
        adapter.load_here(str(tmp_path), download=False)
    (tmp_path / "weights_best.h5").write_text("no weights")
    with pytest.raises(ModelFileError, match=r"cannot load.*config\.json"):
        adapter.load_here(str(tmp_path), download=False)
    (tmp_path / "config.json").write_text((model.logdir / "config.json").read_text())
    with pytest.raises(ModelFileError, match="cannot load"):
        adapter.load_here(str(tmp_path), download=False)


def test_channels_are_checked(build: Build, model: Any) -> None:
    with pytest.raises(ImageError, match=r"'tiny' takes 1 channels, the image has 2"):
        adapter.load(model).predict(np.stack([IMAGE] * 2))
    with pytest.raises(ImageError, match="planes"):
        adapter.load(model).predict(IMAGE[None, None])
    chosen = adapter.load(model, channels=(1,), prob_threshold=0.1)
    other = np.stack([np.zeros_like(IMAGE), IMAGE])
    alone = adapter.load(model, prob_threshold=0.1).predict(IMAGE[None])
    np.testing.assert_array_equal(chosen.predict(other).labels, alone.labels)


def test_restrictions_are_those_of_the_training_images(build: Build, model: Any) -> None:
    assert adapter.load(model).restrictions == ""
    assert "MoNuSeg" in adapter.load(build("2D_versatile_he")).restrictions


def test_scaling(model: Any) -> None:
    scaled = adapter.load(model, percentiles=(0, 100))._prepare(IMAGE[None])
    assert (scaled.min(), scaled.max()) == (0, 1)
    assert adapter.load(model, percentiles=None)._prepare(IMAGE[None]).max() == IMAGE.max()
    assert not adapter.load(model)._prepare(np.full((1, 8, 8), 7, np.uint8)).any()
