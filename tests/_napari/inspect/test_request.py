"""What an inspection reads."""

import numpy as np
from napari.layers import Image, Labels

from napari_grd._napari.inspect.request import InspectRequest
from napari_grd._napari.source import Channel


def test_a_layer_is_removed_while_the_3d_view_shows_no_volume() -> None:
    image, labels, other = Image(np.zeros((8, 8))), Labels(np.zeros((8, 8), int)), Image(np.zeros((8, 8)))
    request = InspectRequest(None, None, ("nuclei",), {1: (Channel(image, None, ""),)}, frozenset(), labels=labels)
    assert [request.needs(layer) for layer in (image, labels, other)] == [True, True, False]
