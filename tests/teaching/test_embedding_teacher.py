"""A model teaches what it predicts, on the pixels of the image."""

import numpy as np
import pytest

from napari_grd.api import segment
from napari_grd.config import NetworkConfig, PartitionConfig, SegmentConfig
from napari_grd.errors import ConfigError, ImageError
from napari_grd.inference.rescale import rescale_image
from napari_grd.inference.segment import predict
from napari_grd.models.model import Model, ModelCard, ModelConfig
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.embedding import EmbeddingTeacher, load

CONFIG = SegmentConfig(runtime="torch", precision="f32", threads=1)
RANDOM = np.random.default_rng(0)
# Bright and dark squares, so that nothing in it passes for noise.
SQUARES = np.kron(RANDOM.random((4, 5)) > 0.5, np.full((10, 10), 600, np.uint16))
IMAGE = (SQUARES + RANDOM.integers(0, 300, (1, 40, 50))).astype(np.uint16)


@pytest.fixture(scope="module")
def model() -> Model:
    config = ModelConfig(
        network=NetworkConfig(widths=(2, 2, 2, 2, 2), embedding=3),
        partition=PartitionConfig(min_size=0),
        object_diameter=20,
    )
    created = Model.create(config, ModelCard(name="tiny"))
    created.network.eval()
    return created


def test_it_gives_what_the_model_predicts(model: Model) -> None:
    teacher = EmbeddingTeacher(model, CONFIG)
    seen, expected = teacher.predict(IMAGE), predict(model, IMAGE, CONFIG)
    assert isinstance(teacher, Teacher)
    assert teacher.name == "tiny"
    assert teacher.gives_embeddings
    np.testing.assert_array_equal(seen.embeddings, expected.embedding)
    np.testing.assert_array_equal(seen.foreground, expected.foreground)
    np.testing.assert_array_equal(seen.labels, segment(model, IMAGE, CONFIG))


def test_small_objects_are_seen_enlarged_and_taught_on_the_pixels_of_the_image(model: Model) -> None:
    told = CONFIG.replace(object_diameter=10)
    seen, enlarged = load(model, 10, CONFIG).predict(IMAGE), predict(model, IMAGE, told)
    assert enlarged.foreground is not None
    assert enlarged.foreground.shape == (80, 100)
    assert seen.embeddings is not None
    assert seen.embeddings.shape == (3, 40, 50)
    np.testing.assert_allclose(seen.embeddings, rescale_image(enlarged.embedding, (40, 50)))
    np.testing.assert_allclose(seen.foreground, rescale_image(enlarged.foreground[None], (40, 50))[0])
    np.testing.assert_array_equal(seen.labels, segment(model, IMAGE, told))


def test_a_model_that_does_not_know_its_scale_cannot_be_told_one(model: Model) -> None:
    with pytest.raises(ConfigError, match=r"pixel_size is 0\.5, but the model does not store"):
        EmbeddingTeacher(model, CONFIG.replace(pixel_size=0.5)).predict(IMAGE)


def test_a_half_is_where_the_model_draws_the_line(model: Model) -> None:
    plain = EmbeddingTeacher(model, CONFIG).predict(IMAGE).foreground
    assert plain is not None
    line = float(np.median(plain))
    partition = PartitionConfig(foreground_threshold=line, min_size=0, max_hole=0)
    seen = EmbeddingTeacher(model, CONFIG.replace(partition=partition)).predict(IMAGE)
    assert seen.foreground is not None
    clear = np.abs(plain - line) > 1e-4
    np.testing.assert_array_equal((seen.foreground > 0.5)[clear], (plain > line)[clear])
    np.testing.assert_array_equal((seen.foreground > 0.5)[clear], (seen.labels > 0)[clear])


def test_a_channel_that_looks_like_a_plane_is_no_question(model: Model) -> None:
    with pytest.raises(ImageError, match="2 channels"):
        EmbeddingTeacher(model, CONFIG).predict(np.concatenate([IMAGE, IMAGE]))


def test_the_fingerprint_follows_what_decides_the_labels(model: Model) -> None:
    key = EmbeddingTeacher(model, CONFIG).fingerprint
    same = [
        CONFIG.replace(threads=2, tile=512),
        CONFIG.replace(partition=model.config.partition),
    ]
    other = [
        CONFIG.replace(precision="bf16"),
        CONFIG.replace(partition=PartitionConfig(bias=0.2)),
        CONFIG.replace(object_diameter=10),
        CONFIG.replace(pixel_size=10),
    ]
    assert {EmbeddingTeacher(model.with_card(name="x"), config).fingerprint for config in same} == {key}
    assert key not in {EmbeddingTeacher(model, config).fingerprint for config in other}


def test_it_hands_on_what_its_card_forbids(model: Model) -> None:
    assert EmbeddingTeacher(model).restrictions == ""
    assert EmbeddingTeacher(model.with_card(restrictions="Not for sale.")).restrictions == "Not for sale."
