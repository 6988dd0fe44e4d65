"""Two students for live use that take less than half of the time of the smallest ResUNet.

Both are a U-Net (Ronneberger et al., MICCAI 2015) that starts at half resolution: at full resolution a convolution of a
few channels costs as much as one of four times as many at the next level, and fills the CPU's vector registers worse.
They differ in how the result gets back to full resolution.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from napari_grd.models.registry import checked_widths, register

SUBPIXEL_WIDTHS = (16, 32, 48, 64)
REFINED_WIDTHS = (16, 24, 48, 64)
FINE = 8


def _unit(conv: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


def _conv(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    padding = (kernel - 1) // 2
    return _unit(nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False), out_channels)


def _linear(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))


class HalfResolutionUNet(nn.Module):
    """A U-Net from half to 1/16 of the image's resolution.

    Strided convolutions reduce the resolution. On the way back, a level adds its own features to those of the level
    below, which are first reduced to its channels by a 1x1 convolution and then up-sampled: up-sampling costs more than
    the convolution. There are no other shortcuts, whose sums would stay in f32 when the network is quantized to int8.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    last : tuple of int
        Channels of the last convolutions, at half resolution.
    widths : tuple of 4 int
        Channels at 1/2, 1/4, 1/8 and 1/16 of the resolution.
    """

    def __init__(self, in_channels: int, last: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        first = widths[0]
        self.stem = nn.Sequential(_conv(in_channels, first, 4, 2), _conv(first, first))
        self.down = nn.ModuleList(
            nn.Sequential(_conv(a, b, 3, 2), _conv(b, b), _conv(b, b)) for a, b in pairwise(widths)
        )
        self.lateral = nn.ModuleList(_linear(a, a) for a in widths[:-1])
        self.reduce = nn.ModuleList(_linear(b, a) for a, b in pairwise(widths))
        blocks = ((first, *last), *((a, a, a) for a in widths[1:-1]))
        self.up = nn.ModuleList(nn.Sequential(*(_conv(a, b) for a, b in pairwise(block))) for block in blocks)

    def forward(self, image: Tensor) -> Tensor:
        x: Tensor = self.stem(image)
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(x)
        for lateral, reduce, block in zip(self.lateral[::-1], self.reduce[::-1], self.up[::-1], strict=True):
            below = nn.functional.interpolate(reduce(x), scale_factor=2, mode="bilinear")
            x = block(torch.relu(lateral(skips.pop()) + below))
        return x


class SubpixelUNet(nn.Module):
    """A U-Net at half resolution, and a sub-pixel convolution (Shi et al., arXiv 1609.05158).

    A 1x1 convolution computes the outputs of the four pixels of a square side by side as channels, which are then moved
    to their places. Nothing is computed at full resolution.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 4 int
        Channels at 1/2, 1/4, 1/8 and 1/16 of the resolution. The last features, from which four pixels are computed,
        have twice the first width.

    Notes
    -----
    Sides of the input must be multiples of 16. The four pixels share their bias, so that a runtime can add it where it
    writes the output; see :mod:`napari_grd.inference.openvino_layout`.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = SUBPIXEL_WIDTHS) -> None:
        super().__init__()
        self.features = HalfResolutionUNet(in_channels, (widths[0], 2 * widths[0]), widths)
        self.head = nn.Conv2d(2 * widths[0], 4 * out_channels, 1, bias=False)
        # As of a convolution. With zeros, pixels without features would have an embedding without a direction.
        bound = (2 * widths[0]) ** -0.5
        self.bias = nn.Parameter(torch.empty(out_channels, 1, 1).uniform_(-bound, bound))

    def forward(self, image: Tensor) -> Tensor:
        return nn.functional.pixel_shuffle(self.head(self.features(image)), 2) + self.bias


class RefinedUNet(nn.Module):
    """A U-Net at half resolution, and one 3x3 convolution of 8 channels at full resolution that also sees the image.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 4 int
        Channels at 1/2, 1/4, 1/8 and 1/16 of the resolution.

    Notes
    -----
    Sides of the input must be multiples of 16.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = REFINED_WIDTHS) -> None:
        super().__init__()
        self.features = HalfResolutionUNet(in_channels, widths[:1], widths)
        self.enlarge = nn.ConvTranspose2d(widths[0], FINE, 2, 2)
        self.refine = _conv(FINE + in_channels, FINE)
        self.head = nn.Conv2d(FINE, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        enlarged = self.enlarge(self.features(image))
        out: Tensor = self.head(self.refine(torch.cat([enlarged, image], dim=1)))
        return out


@register("subpixel_unet", stride=16)
def subpixel_unet(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = SUBPIXEL_WIDTHS) -> nn.Module:
    """Sub-pixel U-Net: 4 widths, 16..64; computes at half resolution only, for live use."""
    return SubpixelUNet(in_channels, out_channels, checked_widths("subpixel_unet", widths, 4))


@register("refined_unet", stride=16)
def refined_unet(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = REFINED_WIDTHS) -> nn.Module:
    """Refined U-Net: 4 widths, 16..64; a U-Net at half resolution, refined at full resolution, for live use."""
    return RefinedUNet(in_channels, out_channels, checked_widths("refined_unet", widths, 4))
