"""Colors of images, labels and embeddings."""

import numpy as np
import pytest

from napari_grd.visualization import embedding_colors, image_to_rgb, label_colors, overlay, renumbered_to_match


def test_the_first_label_colors_differ_and_do_not_depend_on_the_count() -> None:
    few, many = label_colors(20), label_colors(200)
    np.testing.assert_array_equal(few, many[:21])
    distances = np.linalg.norm(few[1:, None] - few[None, 1:], axis=-1) + np.eye(20)
    assert distances.min() > 0.1


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_number_of_channels_becomes_a_picture(channels: int) -> None:
    picture = image_to_rgb(np.random.default_rng(0).normal(size=(channels, 8, 9)))
    assert picture.shape == (8, 9, 3)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_a_constant_image_is_drawn() -> None:
    assert np.isfinite(image_to_rgb(np.ones((1, 4, 4)))).all()


def test_outlines_leave_the_inside_alone() -> None:
    image = np.random.default_rng(0).normal(size=(1, 20, 20))
    labels = np.zeros((20, 20), int)
    labels[5:15, 5:15] = 1
    picture = overlay(image, labels, fill=False)
    np.testing.assert_array_equal(picture[8:12, 8:12], image_to_rgb(image)[8:12, 8:12])
    assert not np.array_equal(picture[5, 5:15], image_to_rgb(image)[5, 5:15])


def test_an_object_takes_the_id_of_what_it_covers_best() -> None:
    reference = np.array([[1, 1, 1, 1, 2, 2, 0, 0]])
    labels = np.array([[3, 3, 3, 9, 4, 4, 0, 5]])
    np.testing.assert_array_equal(renumbered_to_match(labels, reference), [[1, 1, 1, 4, 2, 2, 0, 3]])


def test_empty_labels_match() -> None:
    empty = np.zeros((3, 3), int)
    np.testing.assert_array_equal(renumbered_to_match(empty, empty), empty)


def test_the_same_embedding_has_the_same_color_everywhere() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(16, 4)))[0].T.astype(np.float32)
    embedding = rng.normal(size=(16, 6, 6)).astype(np.float32)
    whole = embedding_colors(embedding, basis)
    np.testing.assert_allclose(embedding_colors(3 * embedding[:, :2], basis), whole[:2], rtol=1e-5)
    assert whole.shape == (6, 6, 3)
