import numpy as np
import pytest

from napari_grd.inference.rescale import rescale_image, rescale_region, rescale_source


@pytest.mark.parametrize("grid", [(60, 45), (120, 90), (300, 201), (37, 90)])
@pytest.mark.parametrize("region", [(slice(0, 16), slice(16, 45)), (slice(20, 37), slice(3, 29))])
def test_a_region_is_rescaled_as_in_the_whole_image(grid, region):
    image = np.random.default_rng(0).random((2, 120, 90), np.float32)
    whole = rescale_image(image, grid)
    box = rescale_source(region, (120, 90), grid)
    part = rescale_region(image[(slice(None), *box)], box, (120, 90), grid, region)
    np.testing.assert_allclose(part, whole[(slice(None), *region)], atol=1e-4)
