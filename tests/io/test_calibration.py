"""What a calibration says of pixels."""

import pytest

from napari_grd.io.calibration import Calibration


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        ((0.5, 0.5), ("micrometer", "micrometer"), 0.5),
        ((325.0, 325.0), ("nanometer", "nanometer"), 0.325),
        ((0.5, 0.6), ("micrometer", "micrometer"), None),
        ((1.0, 1.0), (None, None), None),
        ((1.0, 1.0), ("second", "second"), None),
    ],
)
def test_the_size_of_a_pixel_is_known_in_units_of_length(scale, units, expected) -> None:
    assert Calibration.of("yx", scale, units=units).pixel_size == expected
