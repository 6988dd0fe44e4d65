"""Images are reflected to legal sizes of a network, and what belongs to them is found in the output."""

import numpy as np
import pytest

from napari_grd.config import NetworkConfig, SegmentConfig
from napari_grd.inference.padding import pad_to_legal
from napari_grd.inference.runtime import runtime_for
from napari_grd.models.model import Model, ModelConfig
from napari_grd.models.networks import entry, names


@pytest.mark.parametrize("size", [(1, 1), (16, 31), (40, 5)])
def test_padding_is_numpy_s_at_the_end(size):
    image = np.random.default_rng(0).random((2, *size), np.float32)
    padded, inside = pad_to_legal(image, entry("resunet"))
    expected = np.pad(image, [(0, 0), *((0, -n % 16) for n in size)], mode="reflect")
    np.testing.assert_array_equal(padded, expected)
    np.testing.assert_array_equal(padded[:, *inside], image)


@pytest.mark.parametrize("size", [(1, 1, 1), (25, 56, 56), (30, 3, 60)])
def test_a_margin_is_reflected_on_both_sides(size):
    image = np.random.default_rng(0).random((1, *size), np.float32)
    padded, inside = pad_to_legal(image, entry("mala"))
    legal = entry("mala").input_size(size)
    assert padded.shape[1:] == legal
    ends = [(m, n - s - m) for m, n, s in zip((14, 106, 106), legal, size, strict=True)]
    np.testing.assert_array_equal(padded, np.pad(image, [(0, 0), *ends], mode="reflect"))
    assert inside == tuple(slice(0, n) for n in size)


def test_context_takes_the_place_of_a_margin():
    image = np.random.default_rng(0).random((1, 40, 500, 500), np.float32)
    padded, inside = pad_to_legal(image, entry("mala"), [(20, 5), (135, 140), (0, 500 - 56)])
    assert padded.shape[1:] == entry("mala").input_size((15, 225, 56))
    assert inside == (slice(0, 15), slice(0, 225), slice(0, 56))
    # In z 14 of the 20 sections of context are read, in y 106 of 135 rows; in x the margin is reflected.
    np.testing.assert_array_equal(padded[:, 0, :300, 106:200], image[:, 6, 29:329, :94])
    np.testing.assert_array_equal(padded[:, 0, :300, :106], image[:, 6, 29:329, 106:0:-1])


def test_a_padded_network_reads_all_of_its_context():
    image = np.random.default_rng(0).random((1, 48, 40), np.float32)
    padded, inside = pad_to_legal(image, entry("resunet"), [(16, 3), (0, 8)])
    np.testing.assert_array_equal(padded[:, :48, :40], image)
    assert inside == (slice(16, 45), slice(0, 32))


SMALL = {"mala": (2, 2, 2, 2), "rsunet": (2, 3, 4, 4, 4), "resunet3d": (2, 3, 4, 4, 4)}


@pytest.mark.parametrize("name", names(3))
@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_every_3d_network_returns_the_voxels_it_got(name, runtime):
    widths = SMALL.get(name.removesuffix("_anisotropic"), (4, 6, 8))
    model = Model.create(ModelConfig(network=NetworkConfig(name=name, widths=widths, embedding=3), ndim=3))
    run = runtime_for(model, SegmentConfig(runtime=runtime, precision="f32", device="cpu"))
    reference = runtime_for(model, SegmentConfig(runtime="torch", precision="f32", device="cpu"))
    for size in ((3, 17, 30),) if name == "mala" else ((1, 1, 1), (3, 17, 30)):
        image = np.random.default_rng(0).random((1, *size), np.float32)
        output = run(image)
        assert output.shape == (*size, 4)
        np.testing.assert_allclose(output, reference(image), rtol=0, atol=1e-5)
