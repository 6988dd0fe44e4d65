"""ESPNet, a light network of dilated pyramids (Mehta et al., ECCV 2018; method.md, section 1.3)."""

import torch
from torch import Tensor, nn

from napari_grd.models.registry import checked_widths, register

WIDTHS = (16, 64, 128)
_DILATIONS = (1, 2, 4, 8, 16)


def _norm(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = kernel // 2 * dilation
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False)


class Pyramid(nn.Module):
    """Reduce, filter at five dilations side by side, add up from fine to coarse, merge.

    Parameters
    ----------
    in_channels, out_channels : int
        The output has at least five channels, one for each dilation.
    down : bool, default False
        Halve the resolution; the reduction is then a 3x3 convolution of stride 2.
    """

    def __init__(self, in_channels: int, out_channels: int, *, down: bool = False) -> None:
        super().__init__()
        part = out_channels // len(_DILATIONS)
        first = out_channels - part * (len(_DILATIONS) - 1)  # includes the remainder of the division
        self.reduce = _conv(in_channels, part, 3, stride=2) if down else _conv(in_channels, part, 1)
        self.branches = nn.ModuleList(_conv(part, part if d > 1 else first, 3, dilation=d) for d in _DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        finest, *coarser = (branch(x) for branch in self.branches)
        # The running sum removes the gridding artifacts of dilated kernels.
        sums = coarser[:1]
        for y in coarser[1:]:
            sums.append(sums[-1] + y)
        return torch.cat([finest, *sums], dim=1)


class ResidualPyramid(nn.Module):
    """A pyramid beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pyramid = Pyramid(channels, channels)
        self.norm = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x + self.pyramid(x))
        return y


def _stage(in_channels: int, width: int, blocks: int) -> nn.ModuleList:
    down = nn.Sequential(Pyramid(in_channels, width, down=True), _norm(width))
    return nn.ModuleList([down, nn.Sequential(*(ResidualPyramid(width) for _ in range(blocks)))])


def _raise(channels: int, out_channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, out_channels, 2, stride=2, bias=False)


class ESPNet(nn.Module):
    """Encoder of dilated pyramids with the image fed in again at every level, and a light decoder.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 3 int
        Channels at 1/2, 1/4 and 1/8 resolution.
    blocks : tuple of 2 int
        Residual pyramids at 1/4 and 1/8 resolution (the paper's p and q).

    Notes
    -----
    The decoder works on as many channels as the output has. Sides of the input must be multiples
    of 8.
    """

    def __init__(
        self, in_channels: int, out_channels: int, widths: tuple[int, ...] = WIDTHS, blocks: tuple[int, int] = (2, 3)
    ) -> None:
        super().__init__()
        half, quarter, eighth = widths
        decoder = max(out_channels, len(_DILATIONS))  # a pyramid cannot be narrower
        self.stem = nn.Sequential(_conv(in_channels, half, 3, stride=2), _norm(half))
        self.norm_half = _norm(half + in_channels)
        self.quarter = _stage(half + in_channels, quarter, blocks[0])
        self.norm_quarter = _norm(2 * quarter + in_channels)
        self.eighth = _stage(2 * quarter + in_channels, eighth, blocks[1])
        self.norm_eighth = _norm(2 * eighth)
        self.project_eighth = _conv(2 * eighth, decoder, 1)
        self.raise_eighth = nn.Sequential(nn.BatchNorm2d(decoder, eps=1e-3), _raise(decoder, decoder))
        self.project_quarter = _conv(2 * quarter + in_channels, decoder, 1)
        self.merge_quarter = nn.Sequential(_norm(2 * decoder), Pyramid(2 * decoder, decoder), _norm(decoder))
        self.raise_quarter = nn.Sequential(_raise(decoder, decoder), _norm(decoder))
        self.merge_half = nn.Sequential(_conv(half + in_channels + decoder, decoder, 3), _norm(decoder))
        self.head = _raise(decoder, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        image_half = _halve(x)
        half = self.norm_half(torch.cat([self.stem(x), image_half], dim=1))

        down, blocks = self.quarter
        start = down(half)
        quarter = self.norm_quarter(torch.cat([blocks(start), start, _halve(image_half)], dim=1))

        down, blocks = self.eighth
        start = down(quarter)
        eighth = self.norm_eighth(torch.cat([start, blocks(start)], dim=1))

        y = self.raise_eighth(self.project_eighth(eighth))
        y = self.raise_quarter(self.merge_quarter(torch.cat([self.project_quarter(quarter), y], dim=1)))
        out: Tensor = self.head(self.merge_half(torch.cat([y, half], dim=1)))
        return out


def _halve(image: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(image, 3, stride=2, padding=1)


@register("espnet", stride=8)
def espnet(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = WIDTHS) -> nn.Module:
    """ESPNet: 3 widths of at least 5, very light, large receptive field."""
    return ESPNet(in_channels, out_channels, checked_widths("espnet", widths, 3, smallest=5))
