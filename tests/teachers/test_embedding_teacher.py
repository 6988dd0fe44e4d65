"""A model teaches what it predicts, at the image's own scale."""

import numpy as np
import pytest

from napari_grd.config import NetworkConfig, PartitionConfig, SegmentConfig
from napari_grd.errors import ImageError
from napari_grd.inference.segment import predict, segment
from napari_grd.models import Model, ModelCard, ModelConfig
from napari_grd.teachers.base import Teacher
from napari_grd.teachers.embedding import EmbeddingTeacher

CONFIG = SegmentConfig(runtime="torch", precision="f32", threads=1)
IMAGE = np.random.default_rng(0).integers(0, 999, (1, 40, 50), dtype=np.uint16)


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


def test_the_image_keeps_its_scale(model: Model) -> None:
    seen = EmbeddingTeacher(model, CONFIG.replace(object_diameter=10)).predict(IMAGE)
    assert seen.embeddings is not None
    assert seen.embeddings.shape == (3, 40, 50)


def test_a_channel_that_looks_like_a_plane_is_no_question(model: Model) -> None:
    with pytest.raises(ImageError, match="2 channels"):
        EmbeddingTeacher(model, CONFIG).predict(np.concatenate([IMAGE, IMAGE]))


def test_the_fingerprint_follows_what_decides_the_labels(model: Model) -> None:
    key = EmbeddingTeacher(model, CONFIG).fingerprint
    same = [
        CONFIG.replace(threads=2, tile=512, pixel_size=0.5),
        CONFIG.replace(partition=model.config.partition),
    ]
    other = [CONFIG.replace(precision="bf16"), CONFIG.replace(partition=PartitionConfig(bias=0.2))]
    assert {EmbeddingTeacher(model.with_card(name="x"), config).fingerprint for config in same} == {key}
    assert key not in {EmbeddingTeacher(model, config).fingerprint for config in other}


def test_it_hands_on_what_its_card_forbids(model: Model) -> None:
    assert EmbeddingTeacher(model).restrictions == ""
    assert EmbeddingTeacher(model.with_card(restrictions="Not for sale.")).restrictions == "Not for sale."
