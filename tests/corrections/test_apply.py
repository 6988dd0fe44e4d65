"""Corrections on another segmentation of the same image."""

import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Draw, Erase, Merge
from napari_grd.corrections.region import Region
from napari_grd.errors import CorrectionError
from napari_grd.models.model import Model, ModelConfig

FAST = grd.SegmentConfig(runtime="torch")


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.create(ModelConfig())


def crowded(seed: int = 0) -> np.ndarray:
    """Bright and dark squares, so that nothing in it passes for noise."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.random((4, 6)) > 0.5, np.ones((12, 12)))[:, :64] + 0.1 * rng.random((48, 64))


def test_without_corrections_nothing_differs(model: Model) -> None:
    image = crowded()
    labels = grd.segment(model, image, FAST)
    corrections = Corrections(ImageRef.of(image))
    np.testing.assert_array_equal(grd.segment(model, image, FAST, corrections=corrections), labels)


def test_each_plane_of_a_series_has_its_own(model: Model) -> None:
    image = np.stack([crowded(seed) for seed in range(3)])
    drawn, joined = Region([(5, 5, 9), (6, 5, 9)]), Merge([(40, 3), (40, 60)], plane=(2,))
    corrections = Corrections(ImageRef.of(image, "tyx"), [Draw(drawn, plane=(1,)), Erase(drawn, plane=(0,)), joined])
    found = grd.segment(model, image, FAST, axes="zyx", corrections=corrections)
    assert (found == found[1, 5, 5]).sum() == drawn.area
    assert not found[0][drawn.mask((48, 64))].any()
    assert len(np.unique(found[2, 40, 3:61])) == 1
    again = grd.segment(model, image, FAST, axes="zyx", corrections=corrections)
    np.testing.assert_array_equal(found, again)


def test_at_another_scale_the_evidence_is_brought_to_the_labels() -> None:
    model = Model.create(ModelConfig(object_diameter=20))
    image = crowded()
    drawn = Region([(5, 5, 9), (6, 5, 9)])
    corrections = Corrections(ImageRef.of(image), [Draw(drawn)])
    config = FAST.replace(object_diameter=10)
    found = grd.segment(model, image, config, corrections=corrections)
    assert (found == found[5, 5]).sum() == drawn.area


@pytest.mark.parametrize(
    ("of", "words"), [(np.zeros((48, 64)), "other pixels"), (np.ones((24, 64)), "other pixels"), (None, "shape")]
)
def test_corrections_of_another_image_are_refused(model: Model, of: np.ndarray | None, words: str) -> None:
    image = crowded()
    ref = ImageRef((24, 64)) if of is None else ImageRef.of(of)
    with pytest.raises(CorrectionError, match=words):
        grd.segment(model, image, FAST, corrections=Corrections(ref))
