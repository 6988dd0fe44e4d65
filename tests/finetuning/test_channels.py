"""One channel as a start for several."""

import torch

from napari_grd.finetuning.channels import widened
from napari_grd.hub import load_model


def test_a_widened_model_sees_the_mean_of_the_channels() -> None:
    nuclei = load_model("nuclei")
    wide = widened(nuclei, 3)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = nuclei.network.eval()(image.mean(1, keepdim=True))
        torch.testing.assert_close(wide.network(image), expected, rtol=1e-4, atol=1e-4)
    assert wide.config.in_channels == 3
    assert nuclei.config.in_channels == 1
