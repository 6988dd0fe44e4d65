"""A package passes the test of bioimageio.core, tells all, and gives the identical model back."""

import io
import zipfile

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import napari_grd.api as grd
from napari_grd.errors import ConfigError, ModelFileError, OutputError
from napari_grd.export.bioimageio.package import write_package
from napari_grd.io.bioimageio_package import read_package

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated", "ignore:unclosed file")


@pytest.fixture(scope="module")
def package(model, tmp_path_factory):
    image = np.random.default_rng(0).integers(0, 4000, (300, 280), dtype=np.uint16)
    path = tmp_path_factory.mktemp("package") / "tiny.zip"
    return write_package(model, path, image=image, authors=["Ada", {"name": "Bob", "affiliation": "Here"}])


def rewritten(package, path, **changes):
    """The package with some files replaced, or left out (None)."""
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = changes.get(name.partition(".")[0], old.read(name))
            if content is not None:
                new.writestr(name, content)
    return path


def test_bioimageio_core_tests_it(package):
    from bioimageio.core import test_description

    summary = test_description(package)
    assert summary.status == "passed", summary.display()
    tested = [detail for detail in summary.details if detail.name.startswith("Run")]
    assert len(tested) > 2  # sizes and batches, each with both kinds of weights


def test_it_describes_itself(package):
    with zipfile.ZipFile(package) as packed:
        described = yaml.safe_load(packed.read("bioimageio.yaml"))
        text = packed.read("documentation.md").decode()
        picture = Image.open(io.BytesIO(packed.read("cover.png")))
    assert described["name"] == "tiny - (napari-grd)"
    assert [author["name"] for author in described["authors"]] == ["Ada", "Bob"]
    assert described["license"] == "BSD-3-Clause"
    scaling = described["inputs"][0]["preprocessing"][0]
    assert scaling["kwargs"] == {"axes": ["y", "x"], "min_percentile": 1.0, "max_percentile": 99.8}
    own = described["config"]["napari_grd"]
    assert own["postprocessing"]["method"] == "mutex watershed"
    assert own["postprocessing"]["stride"] == 3
    assert described["outputs"][2]["axes"][1]["channel_names"][-1] == "x_minus_27"
    assert "Not for sale." in text
    assert "0.500" in text
    assert picture.size == (2 * 272, 288)


def test_the_model_comes_back_as_it_was(package, model):
    found = grd.load_model(package)
    assert found.config == model.config
    assert found.card == model.card
    assert torch.equal(found.pca, model.pca)
    assert torch.equal(found.calibration, model.calibration)
    for name, value in model.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], value)


def test_a_model_of_others_is_a_teacher(package, tmp_path):
    path = rewritten(package, tmp_path / "a.zip", bioimageio="type: model\nconfig: {}\n")
    with pytest.raises(ModelFileError, match="load_teacher"):
        read_package(path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"bioimageio": None}, "not a bioimage.io package"),
        ({"bioimageio": "a: [b"}, "is not YAML"),
        ({"bioimageio": "- 1"}, "does not have one"),
        ({"bioimageio": "type: model"}, "not of a model of napari-grd"),
        ({"model": None}, "lacks"),
        ({"model": b"something else"}, "is not the file that is described"),
    ],
)
def test_a_damaged_package_is_refused(package, tmp_path, changes, problem):
    with pytest.raises(ModelFileError, match=problem):
        read_package(rewritten(package, tmp_path / "a.zip", **changes))


def test_a_license_has_an_identifier(model, tmp_path):
    with pytest.raises(ConfigError, match=r"'my own rules'.*SPDX"):
        write_package(model, tmp_path / "a.zip", license="my own rules")
    assert not list(tmp_path.iterdir())


def test_a_citation_can_be_followed(model, tmp_path):
    with pytest.raises(ConfigError, match=r"cite.*doi or url"):
        write_package(model, tmp_path / "a.zip", cite=[{"text": "Somebody 2020"}])
    assert not list(tmp_path.iterdir())


def test_what_fails_the_test_is_not_written(model, tmp_path, monkeypatch):
    from napari_grd.export.bioimageio import package as bioimageio

    monkeypatch.setattr(bioimageio, "normalize", lambda image, _: image * 0)
    with pytest.raises(OutputError, match="fails the test"):
        write_package(model, tmp_path / "a.zip")
    assert not list(tmp_path.iterdir())
