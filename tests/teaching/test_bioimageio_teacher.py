"""A model of the zoo teaches, whatever its outputs are and whatever size the image has."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import ndimage

import napari_grd.api as grd
from napari_grd.config import AssistantConfig, DistillConfig, NetworkConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ConfigError, GrdError, ImageError, LabelError, ModelFileError
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.models.model import Model, ModelConfig
from napari_grd.teaching.bioimageio import teacher as bioimageio
from napari_grd.teaching.bioimageio.recipe import ZooRecipe
from napari_grd.teaching.bioimageio.run import plan_windows
from napari_grd.teaching.bioimageio.teacher import BioimageioTeacher, load
from napari_grd.teaching.embedding import EmbeddingTeacher
from napari_grd.teaching.options import parse_options, teacher_options
from napari_grd.teaching.registry import as_teacher, load_teacher, teachers

# A graph of one node, Identity, for any image: what onnx writes, without needing onnx.
ONNX = bytes.fromhex(
    "08083a3f0a100a017812017922084964656e746974791201675a130a0178120e0a0c080112080a000a000a000a006213"
    "0a0179120e0a0c080112080a000a000a000a0042040a001011"
)

TWO = np.zeros((40, 70), np.float32)
TWO[8:32, 5:29] = TWO[8:32, 30:54] = 1


@pytest.fixture
def circles() -> tuple[np.ndarray, np.ndarray]:
    _, labels = nuclei_2d(np.random.default_rng(0), (96, 130))
    return (labels > 0).astype(np.float32)[None], labels


def test_foreground_of_a_model_that_takes_one_size_only(make_zoo_model: Any, circles: Any) -> None:
    image, _ = circles
    teacher = load(make_zoo_model(size=64, halo=8, reach=4))
    expected = ndimage.uniform_filter(image[0], 9, mode="constant")  # of the whole image, without seams
    for shape in ((96, 130), (64, 64), (65, 64)):
        cut = tuple(slice(0, size) for size in shape)
        found = teacher.predict(image[:, *cut])
        assert found.labels.shape == shape
        np.testing.assert_allclose(found.foreground[:60, :60], expected[:60, :60], atol=1e-6)
    np.testing.assert_allclose(teacher.predict(image).foreground, expected, atol=1e-6)
    small = teacher.predict(image[:, :20, :30])
    assert small.labels.shape == (20, 30)
    np.testing.assert_allclose(small.foreground[:16, :26], expected[:16, :26], atol=1e-6)


@pytest.mark.parametrize("shape", [(96, 130), (16, 33), (5, 7)])
def test_a_model_that_takes_multiples(make_zoo_model: Any, shape: tuple[int, int], circles: Any) -> None:
    image = circles[0][:, : shape[0], : shape[1]]
    found = load(make_zoo_model(size={"min": 32, "step": 16})).predict(image)
    np.testing.assert_array_equal(found.foreground, image[0])


def test_a_half_is_where_its_recipe_draws_the_line(make_zoo_model: Any, circles: Any) -> None:
    folder, image = make_zoo_model(size=64, halo=8, reach=4), circles[0]
    recipe = ZooRecipe(channels={"out": ("foreground",)}, instances="components", foreground_threshold=0.8, min_size=0)
    found = load(folder, recipe).predict(image)
    plain = load(folder, recipe.replace(foreground_threshold=0.5)).predict(image)
    np.testing.assert_array_equal(found.foreground > 0.5, found.labels > 0)
    assert 0 < np.count_nonzero(found.labels) < np.count_nonzero(plain.labels)
    sure = np.abs(found.foreground - 0.5) > 0.3  # of neighbors that are not, one may be foreground and the other not
    above = found.labels[1:] == found.labels[:-1]
    np.testing.assert_array_equal((found.affinities[0, 1:] > 0.5)[sure[1:]], above[sure[1:]])


def test_threshold_and_scales_need_no_recipe(make_zoo_model: Any) -> None:
    typed = {"source": str(make_zoo_model()), "foreground_threshold": "0.8", "scales": "1, 1.5"}
    teacher = load_teacher("bioimageio", **parse_options("bioimageio", teacher_options(bioimageio), typed))
    assert (teacher.recipe.foreground_threshold, teacher.recipe.scales) == (0.8, (1.0, 1.5))
    assert teacher.recipe.channels == load(make_zoo_model()).recipe.channels
    with pytest.raises(ConfigError, match="foreground_threshold"):
        load(make_zoo_model(), foreground_threshold=1.5)


def test_large_images_go_in_windows(make_zoo_model: Any, monkeypatch: pytest.MonkeyPatch, circles: Any) -> None:
    monkeypatch.setattr("napari_grd.teaching.bioimageio.run._LARGEST", 32)
    image = circles[0]
    teacher = load(make_zoo_model(size={"min": 32, "step": 16}, halo=8, reach=4))
    expected = ndimage.uniform_filter(image[0], 9, mode="constant")
    np.testing.assert_allclose(teacher.predict(image).foreground, expected, atol=1e-6)


@pytest.mark.parametrize(("size", "window", "halo"), [(64, 64, 8), (65, 64, 8), (1000, 96, 32), (200, 64, 40)])
def test_windows_cover_the_axis(size: int, window: int, halo: int) -> None:
    covered = np.zeros(size, int)
    for start, keep in plan_windows(size, window, halo):
        assert 0 <= start <= keep.start < keep.stop <= start + window <= size
        covered[keep] += 1
    assert covered.min() > 0


def test_the_library_prepares_the_image(make_zoo_model: Any) -> None:
    folder = make_zoo_model(output={"postprocessing": [{"id": "sigmoid"}]})
    content = yaml.safe_load((folder / "bioimageio.yaml").read_text())
    content["inputs"][0]["preprocessing"] = [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}}]
    (folder / "bioimageio.yaml").write_text(yaml.safe_dump(content))
    image = (TWO * 60000).astype(np.uint16)[None]
    found = load(folder).predict(image)
    normal = (TWO - TWO.mean()) / TWO.std()
    np.testing.assert_allclose(found.foreground, 1 / (1 + np.exp(-normal)), atol=1e-4)
    assert found.labels.max() == 2


def test_what_it_says_at_several_scales_is_averaged(make_zoo_model: Any) -> None:
    image = np.kron([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], np.ones((16, 16)))[None].astype(np.float32)
    folder = make_zoo_model(reach=4)  # blurs over 9 pixels, whatever it is shown

    def width(*scales: float) -> float:
        found = load(folder, ZooRecipe(channels={"out": ("foreground",)}, scales=scales)).predict(image)
        assert found.foreground.shape == image.shape[1:]
        assert found.labels.max() == 1
        return float(np.count_nonzero((found.foreground > 0.05) & (found.foreground < 0.95)))

    assert width(2) < width(1, 2) <= width(1)
    once, twice = (load(folder, ZooRecipe(channels={"out": ("foreground",)}, scales=s)) for s in [(1,), (1, 1)])
    np.testing.assert_allclose(once.predict(image).foreground, twice.predict(image).foreground, atol=1e-6)
    assert once.fingerprint != twice.fingerprint


@pytest.mark.parametrize(
    ("kinds", "scales", "message"),
    [
        (("flow", "flow", "foreground"), (1, 2), "not flow"),
        (("label",), (2,), "not label"),
        (("foreground",), (), "scales"),
        (("foreground",), (9,), "scales"),
    ],
)
def test_scales_that_mean_nothing(kinds: Any, scales: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ZooRecipe(channels={"out": kinds}, scales=scales)


def test_a_mask_is_split_at_its_neck(make_zoo_model: Any) -> None:
    y, x = np.mgrid[:48, :80]
    touching = ((np.hypot(y - 24, x - 24) < 14) | (np.hypot(y - 24, x - 50) < 14)).astype(np.float32)
    folder = make_zoo_model()
    found = load(folder).predict(touching[None])
    assert found.labels.max() == 2
    assert found.affinities is not None
    assert found.affinities.shape == (10, 48, 80)
    assert (
        load(folder, ZooRecipe(channels={"out": ("foreground",)}, instances="components"))
        .predict(touching[None])
        .labels.max()
        == 1
    )


def test_boundaries(make_zoo_model: Any) -> None:
    whole, edge = np.zeros((2, 40, 60), np.float32)
    whole[8:32, 5:55] = 1
    edge[8:32, 30:32] = 0.9
    teacher = load(make_zoo_model(("foreground", "boundary")))
    assert teacher.recipe.channels == {"out": ("foreground", "boundary")}
    labels = teacher.predict(np.stack([whole, edge])).labels
    assert labels.max() == 2
    assert labels[20, 10] != labels[20, 50]
    assert labels[20, 30] != 0


def test_affinities_at_the_models_own_offsets(make_zoo_model: Any, circles: Any) -> None:
    _, labels = circles
    offsets = [(0, 1), (1, 0), *(tuple(-step for step in offset) for offset in OFFSETS_2D[2:])]
    planes = [np.ones(labels.shape, np.float32) for _ in offsets]
    for plane, (dy, dx) in zip(planes, offsets, strict=True):
        height, width = labels.shape
        plane[: height - dy, : width - dx] = labels[: height - dy, : width - dx] == labels[dy:, dx:]
    image = np.stack([*planes, (labels > 0).astype(np.float32)])
    names = (*(f"affinity {offset}" for offset in offsets), "foreground")
    folder = make_zoo_model(names, config={"mws": {"offsets": [list(offset) for offset in offsets]}})
    found = load(folder).predict(image)
    assert grd.evaluate(reference=labels.astype(np.uint32), labels=found.labels).ap50 > 0.9
    assert found.affinities is not None
    exact = labels[3:] == labels[:-3]  # the third standard offset is (-3, 0)
    np.testing.assert_array_equal(found.affinities[2][3:], exact)
    recipe = ZooRecipe(channels={"out": (*("repulsion",) * len(offsets), "foreground")}, offsets=offsets)
    opposite = np.concatenate([1 - image[:-1], image[-1:]])
    np.testing.assert_array_equal(load(folder, recipe).predict(opposite).labels, found.labels)
    near = ZooRecipe(
        channels={"out": (*("affinity",) * 2, *("ignore",) * 8, "foreground")}, offsets=offsets[:2], min_size=0
    )
    assert load(folder, near).predict(image).labels.max() > 0  # without repulsion, what touches is one


def test_embeddings_give_the_full_method(make_zoo_model: Any) -> None:
    embedding = np.zeros((3, 40, 70), np.float32)
    embedding[0, :, :30] = embedding[1, :, 30:] = 1
    teacher = load(make_zoo_model(("embedding a", "embedding b", "embedding c")))
    assert teacher.gives_embeddings
    found = teacher.predict(embedding)
    assert found.embeddings is not None
    np.testing.assert_array_equal(found.embeddings, embedding)
    assert found.labels.max() == 2
    assert not load(make_zoo_model()).gives_embeddings


def test_flows(make_zoo_model: Any) -> None:
    flows = np.zeros((2, *TWO.shape), np.float32)
    y, x = np.mgrid[: TWO.shape[0], : TWO.shape[1]]
    flows[0], flows[1] = 19.5 - y, np.where(x < 30, 16.5, 41.5) - x
    image = np.stack([*flows * TWO, TWO])
    teacher = load(make_zoo_model(("flow y", "flow x", "cell probability")))
    assert teacher.recipe.method == "flow"
    found = teacher.predict(image)
    assert found.labels.max() == 2
    assert (found.labels[8:32, 5:29] == found.labels[20, 10]).all()
    assert found.affinities is not None


def test_labels_as_they_are(make_zoo_model: Any, circles: Any) -> None:
    _, labels = circles
    teacher = load(make_zoo_model(("instance labels",)))
    found = teacher.predict(labels.astype(np.float32)[None])
    np.testing.assert_array_equal(found.labels, labels)
    assert found.foreground is None
    assert found.affinities is None
    with pytest.raises(LabelError, match=r"'out' ranges from 0.5 to 0.5: these are not labels"):
        teacher.predict(np.full((1, 20, 20), 0.5, np.float32))


def test_what_recipe_and_output_disagree_about(make_zoo_model: Any) -> None:
    folder = make_zoo_model(("foreground", "boundary"))
    image = np.stack([TWO, TWO])
    for channels, match in (
        ({"in": ("foreground",)}, "no output 'in'.*Its outputs: out"),
        ({"out": ("foreground",) * 3}, "2 channels, the recipe names 3"),
        ({"out": ("foreground",)}, "assigns foreground to 2 channels of 'Tiny model'.*ignore"),
    ):
        with pytest.raises(ConfigError, match=match):
            load(folder, ZooRecipe(channels=channels)).predict(image)
    with pytest.raises(GrdError, match=r"'out' ranges from 0 to 9; a foreground must be in \[0, 1\].*foreground_logit"):
        load(folder).predict(image * 9)
    logits = ZooRecipe(channels={"out": ("foreground_logit", "boundary_logit")})
    assert load(folder, logits).predict(image * 9).foreground.max() == pytest.approx(1, abs=1e-3)
    with pytest.raises(GrdError, match="NaN"):
        load(folder, logits).predict(image * np.float32("nan"))


def test_images_that_do_not_fit(make_zoo_model: Any) -> None:
    teacher = load(make_zoo_model(inputs=1))
    for shape in ((3, 20, 20), (1, 5, 20, 20), (20, 20)):
        with pytest.raises(ImageError, match=r"has not the 1 channel\(s\) in 2D that 'Tiny model' takes"):
            teacher.predict(np.zeros(shape, np.float32))


def test_rgb_and_a_recipe_in_a_file(make_zoo_model: Any) -> None:
    recipe = ZooRecipe(channels={"out": ("foreground", "ignore", "ignore")})
    folder = make_zoo_model(("a", "b", "c"))
    (folder.parent / "recipe.yaml").write_text(recipe.to_yaml())
    options = teacher_options(bioimageio)
    typed = {"source": str(folder), "recipe": str(folder.parent / "recipe.yaml"), "trust_code": "false"}
    teacher = load_teacher("bioimageio", **parse_options("bioimageio", options, typed))
    assert isinstance(teacher, BioimageioTeacher)
    assert teacher.recipe == recipe
    assert teacher.in_channels == 3
    assert teacher.predict(np.stack([TWO] * 3)).labels.max() == 2


def test_a_zip_a_folder_and_a_description_are_the_same_teacher(make_zoo_model: Any, tmp_path: Path) -> None:
    folder = make_zoo_model()
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, folder.name))
    found = [as_teacher(source) for source in (folder, str(packed))]
    found += [load_teacher("bioimageio", source=folder / "bioimageio.yaml")]
    for teacher in found:
        assert isinstance(teacher, BioimageioTeacher)
        assert teacher.name == "Tiny model"
        assert teacher.license == "MIT"
        assert teacher.restrictions == ""
    assert len({teacher.fingerprint for teacher in found}) == 1
    assert load(folder, ZooRecipe(channels={"out": ("foreground",)}, depth=3)).fingerprint != found[0].fingerprint


def test_an_exported_model_of_ours_teaches_by_the_full_method(tmp_path: Path) -> None:
    model = Model.create(ModelConfig(network=NetworkConfig(widths=(2, 2, 4, 4, 4), embedding=4)))
    file = grd.save_model(model, tmp_path / "mine")
    description = {"type": "model", "config": {"napari_grd": {"model": file.name}}}
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as packed:
        packed.writestr("package/bioimageio.yaml", yaml.safe_dump(description))
        packed.write(file, f"package/{file.name}")
    teacher = as_teacher(tmp_path / "mine.zip")
    assert isinstance(teacher, EmbeddingTeacher)
    assert teacher.fingerprint == EmbeddingTeacher(model).fingerprint


def test_onnx_weights(make_zoo_model: Any) -> None:
    folder = make_zoo_model()
    (folder / "weights.onnx").write_bytes(ONNX)
    content = yaml.safe_load((folder / "bioimageio.yaml").read_text())
    content["weights"]["onnx"] = {"source": "weights.onnx", "opset_version": 17, "parent": "torchscript"}
    (folder / "bioimageio.yaml").write_text(yaml.safe_dump(content))
    both = [load(folder, weights=kind, device="cpu") for kind in ("onnx", "torchscript")]
    np.testing.assert_array_equal(*(teacher.predict(TWO[None]).labels for teacher in both))
    assert both[0].fingerprint != both[1].fingerprint
    with pytest.raises(ConfigError, match="weights as onnx, torchscript, not 'keras_hdf5'"):
        load(folder, weights="keras_hdf5")


def test_the_license_is_told(make_zoo_model: Any) -> None:
    teacher = load(make_zoo_model(license="CC-BY-NC-4.0"))
    assert teacher.restrictions == "Non-commercial use only (CC-BY-NC-4.0)."
    assert load(make_zoo_model(license=None)).restrictions.startswith("No license is given")


def test_it_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    info = teachers()["bioimageio"]
    assert info.available
    assert "trust_code" in info.options
    monkeypatch.setattr(bioimageio, "find_spec", lambda name: None)
    info = teachers()["bioimageio"]
    assert not info.available
    assert info.reason is not None
    assert "pip install 'napari-grd[bioimageio]'" in info.reason


def test_it_teaches_a_student(make_zoo_model: Any) -> None:
    images = [nuclei_2d(np.random.default_rng(seed), (96, 96))[1] > 0 for seed in range(2)]
    network = NetworkConfig(widths=(2, 2, 4, 4, 4), embedding=4)
    config = DistillConfig(
        steps=2, batch=1, patch=64, network=network, assistant=AssistantConfig(network=network, steps=2)
    )
    student = grd.distill(
        as_teacher(make_zoo_model()), [image.astype(np.uint8) for image in images], config=config, validation=0.0
    )
    assert student.card.kind == "student"


def test_a_zip_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("readme.txt", "")
    for read in (as_teacher, load):
        with pytest.raises(ModelFileError, match=r"a\.zip.* bioimageio\.yaml"):
            read(tmp_path / "a.zip")
