"""From corrections to what is learned, and errors on the way."""

from typing import Any

import numpy as np
import pytest
import torch

import napari_grd.api as grd
from napari_grd.config import NetworkConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.corrected_planes import CorrectedPlane, corrected_images
from napari_grd.corrections.corrected_planes import corrected_planes as planes_of
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Accept, Draw, Erase, Link
from napari_grd.corrections.region import Region
from napari_grd.corrections.starts import starts_of as starts_for
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import Cancelled, ConfigError, CorrectionError, LabelError
from napari_grd.inference.region import keep_inside
from napari_grd.models.model import Model, ModelConfig

IMAGE, LABELS = nuclei_2d(np.random.default_rng(0), (96, 96), 8)
RIGHT = LABELS == 1


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model.create(ModelConfig(network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8)))


def corrected_planes(model: Model, images: Any, corrections: Any, labels: Any) -> list[CorrectedPlane]:
    return planes_of(model, corrected_images(images, corrections, labels))


def starts_of(model: Any, images: Any, corrections: Any) -> list[Model]:
    return starts_for(model, corrected_images(images, corrections))


def accepted(image: Any = IMAGE, axes: str | None = None, plane: tuple[int, ...] = ()) -> Corrections:
    pixel = tuple(int(at) for at in np.argwhere(RIGHT)[0])
    return Corrections(ImageRef.of(image, axes), [Accept(pixel, Region.from_mask(RIGHT), plane=plane)])


def test_a_plane_of_a_series_with_channels(model: Model) -> None:
    series = np.stack([IMAGE, IMAGE + 1])[:, None]
    labels = np.stack([LABELS, LABELS])
    (plane,) = corrected_planes(model, series, accepted(series, "tcyx", (1,)), labels)
    assert plane.image.shape == (1, 96, 96)
    assert (plane.image[0] == IMAGE + 1).all()
    assert plane.objects == 1
    assert ((plane.labels == 1) == RIGHT).all()


def test_planes_with_nothing_but_links_are_nothing_to_learn(model: Model) -> None:
    stack, labels = np.stack([IMAGE, IMAGE + 1]), np.stack([LABELS, LABELS])
    made = accepted(stack, "zyx", (1,))
    made.add(Link((0, 0), (0, 0), (1,), plane=(0,)))
    (plane,) = corrected_planes(model, stack, made, labels)
    assert (plane.image == IMAGE + 1).all()


def test_without_labels_corrections_are_applied_to_a_segmentation(model: Model) -> None:
    drawn = Corrections(ImageRef.of(IMAGE), [Draw(Region.from_mask(RIGHT)), Draw(Region.from_mask(LABELS == 2))])
    (plane,) = corrected_planes(model, IMAGE, drawn, None)
    assert plane.objects == 2


def test_corrections_of_another_image_are_refused(model: Model) -> None:
    with pytest.raises(CorrectionError, match="Image 0"):
        corrected_planes(model, IMAGE + 1, accepted(), LABELS)


def test_other_mistakes_are_named(model: Model) -> None:
    with pytest.raises(CorrectionError, match="no object"):
        corrected_planes(model, IMAGE, Corrections(ImageRef.of(IMAGE)), LABELS)
    with pytest.raises(CorrectionError, match="2 images"):
        corrected_planes(model, [IMAGE, IMAGE], [accepted()], [LABELS, LABELS])
    with pytest.raises(CorrectionError, match="str"):
        corrected_planes(model, IMAGE, ["file"], LABELS)
    with pytest.raises(LabelError, match="shape"):
        corrected_planes(model, IMAGE, accepted(), LABELS[:50])


def test_undone_corrections_do_not_count(model: Model) -> None:
    made = accepted()
    made.undo()
    with pytest.raises(CorrectionError, match="undone"):
        corrected_planes(model, IMAGE, made, LABELS)


def test_fine_tuning_can_be_cancelled(model: Model) -> None:
    with pytest.raises(Cancelled):
        grd.fine_tune(model, IMAGE, accepted(), LABELS, cancelled=lambda: True)


def test_only_known_objects_are_scored() -> None:
    """A perfect and an imperfect prediction, both made by a network that is not asked."""
    labels, merged = LABELS.astype(np.uint32), np.where(LABELS > 0, np.uint32(7), np.uint32(0))
    keep_inside(labels, LABELS == 1)
    assert set(np.unique(labels)) == {0, 1}
    keep_inside(merged, LABELS == 1)  # one blob over everything is no match for one object
    assert not merged.any()


def test_before_and_after(model: Model) -> None:
    nuclei = grd.load_model("nuclei")
    seen = grd.before_after(model, nuclei, IMAGE, accepted(), LABELS)
    assert seen.objects == 1
    assert seen.after.ap50 == 1.0
    assert seen.before.ap50 < 1.0


def test_one_image_given_twice_has_to_be_corrected_alike(model: Model) -> None:
    erased = Corrections(ImageRef.of(IMAGE), [Draw(Region.from_mask(LABELS == 2)), Erase(Region.from_mask(RIGHT))])
    without = np.where(RIGHT, 0, LABELS)
    assert len(corrected_planes(model, [IMAGE, IMAGE], [accepted(), accepted()], [LABELS, LABELS])) == 2
    with pytest.raises(CorrectionError, match="contradict"):
        corrected_planes(model, [IMAGE, IMAGE], [accepted(), erased], [LABELS, without])


def test_what_was_erased_is_no_object_of_the_labels(model: Model) -> None:
    erased = Corrections(ImageRef.of(IMAGE), [Draw(Region.from_mask(LABELS == 2)), Erase(Region.from_mask(RIGHT))])
    with pytest.raises(CorrectionError, match="contradict"):
        corrected_planes(model, IMAGE, erased, LABELS)
    erased.add(Draw(Region.from_mask(RIGHT)))  # drawn again later
    assert corrected_planes(model, IMAGE, erased, LABELS)[0].objects == 2


def test_the_start_is_a_student_of_as_many_channels() -> None:
    assert {one.config.in_channels for one in starts_of("auto", [IMAGE], [accepted()])} == {1}
    assert {one.card.name for one in starts_of("auto", [IMAGE], [accepted()])} == {"cells", "nuclei", "phase"}
    color = np.stack([IMAGE] * 3, -1)
    assert {one.config.in_channels for one in starts_of("auto", [color], [accepted(color, "yxc")])} == {3}
    assert {
        one.config.in_channels for one in starts_of("auto", [color[..., :2]], [accepted(color[..., :2], "yxc")])
    } == {2}
    with pytest.raises(ConfigError, match="numbers of channels"):
        starts_of("auto", [IMAGE, color], [accepted(), accepted(color, "yxc")])
    with pytest.raises(ConfigError, match="different numbers"):
        starts_of(["nuclei", "tissue"], [IMAGE], [accepted()])
    with pytest.raises(ConfigError, match="empty"):
        starts_of([], [IMAGE], [accepted()])
