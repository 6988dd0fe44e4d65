"""A 3D student for live use: the sub-pixel U-Net of :mod:`napari_grd.models.fast`, for volumes.

A 3D network with few channels at full resolution is bound by memory: MALA-tiny has 0.4 % of its teacher's weights and
still 20 to 45 % of its time. This one computes nothing at full resolution. Its first and last layers exchange voxels
for channels, and what lies between has an eighth of the voxels (a quarter, if sections are thick) and channels that
fill the vector registers of a CPU.
"""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from napari_grd.models.registry import checked_widths, register

WIDTHS = (16, 32, 64)
Factors = tuple[int, int, int]
ISOTROPIC: tuple[Factors, ...] = ((2, 2, 2),) * 3
ANISOTROPIC: tuple[Factors, ...] = ((1, 2, 2), (1, 2, 2), (2, 2, 2))


def _unit(conv: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm3d(channels), nn.ReLU())


def _conv(in_channels: int, out_channels: int, kernel: Factors = (3, 3, 3)) -> nn.Sequential:
    conv = nn.Conv3d(in_channels, out_channels, kernel, padding="same", bias=False)
    return _unit(conv, out_channels)


def _split_conv(channels: int) -> nn.Sequential:
    """A convolution in plane, then one along z: less than half of the weights of one of 3x3x3."""
    return nn.Sequential(_conv(channels, channels, (1, 3, 3)), _conv(channels, channels, (3, 1, 1)))


def _down(in_channels: int, out_channels: int, factors: Factors) -> nn.Sequential:
    return _unit(nn.Conv3d(in_channels, out_channels, factors, factors, bias=False), out_channels)


def _up(in_channels: int, out_channels: int, factors: Factors) -> nn.Sequential:
    # Linear interpolation takes longer, and has no deterministic gradient on GPUs.
    raised = nn.ConvTranspose3d(in_channels, out_channels, factors, factors, bias=False)
    return nn.Sequential(raised, nn.BatchNorm3d(out_channels))


class SubpixelUNet3D(nn.Module):
    """A U-Net from 1/2 to 1/8 of the resolution in plane, and a sub-pixel convolution to the full resolution.

    In 3D the context that a tile reads costs more than what it writes, so the receptive field is smaller than that of
    the 2D network: a radius of 45 voxels.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 3 int
        Channels at 1/2, 1/4 and 1/8 of the resolution in plane. The last features, from which the voxels of a
        cell are computed, have twice the first width.
    factors : tuple of 3 tuples
        Steps (z, y, x) of resolution, fine to coarse. Those of the first are the sides of a cell. If it has one
        section, the convolutions there, except the last, are in plane.

    Notes
    -----
    Sides of the input must be multiples of the products of the factors. The voxels of a cell share their bias, so that
    a runtime can add it where it writes the output; see :mod:`napari_grd.inference.openvino_layout`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        widths: tuple[int, ...] = WIDTHS,
        factors: tuple[Factors, ...] = ISOTROPIC,
    ) -> None:
        super().__init__()
        first, *middle, _ = widths
        last = 2 * first
        flat = (1 if factors[0][0] == 1 else 3, 3, 3)
        steps = list(zip(pairwise(widths), factors[1:], strict=True))
        self.stem = nn.Sequential(_down(in_channels, first, factors[0]), _conv(first, first, flat))
        self.down = nn.ModuleList(
            nn.Sequential(_down(a, b, step), _split_conv(b), _split_conv(b)) for (a, b), step in steps
        )
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv3d(a, a, 1, bias=False), nn.BatchNorm3d(a)) for a in widths[:-1]
        )
        self.raise_ = nn.ModuleList(_up(b, a, step) for (a, b), step in steps)
        finest = nn.Sequential(_conv(first, first, flat), _conv(first, last))
        self.up = nn.ModuleList([finest, *(nn.Sequential(_split_conv(a), _split_conv(a)) for a in middle)])
        self.head = nn.Conv3d(last, prod(factors[0]) * out_channels, 1, bias=False)
        bound = last**-0.5  # as of a convolution
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound))
        self.cell = factors[0]

    def forward(self, image: Tensor) -> Tensor:
        x: Tensor = self.stem(image)
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(x)
        for lateral, raise_, block in zip(self.lateral[::-1], self.raise_[::-1], self.up[::-1], strict=True):
            x = block(torch.relu(lateral(skips.pop()) + raise_(x)))
        return voxel_shuffle(self.head(x), self.cell) + self.bias.view(-1, 1, 1, 1)


def voxel_shuffle(x: Tensor, cell: Factors) -> Tensor:
    """``(B, C * p * q * r, D, H, W)`` to ``(B, C, D * p, H * q, W * r)``, for cells ``(p, q, r)``.

    As :func:`torch.nn.functional.pixel_shuffle`, which is for 2D only.

    Examples
    --------
    >>> voxel_shuffle(torch.zeros(1, 24, 3, 4, 5), (1, 2, 2)).shape
    torch.Size([1, 6, 3, 8, 10])
    """
    batch, channels, *sides = x.shape
    parts = x.reshape(batch, channels // prod(cell), *cell, *sides).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return parts.reshape(
        batch, channels // prod(cell), *(side * factor for side, factor in zip(sides, cell, strict=True))
    )


@register("subpixel_unet3d", ndim=3, stride=8, halo=(45, 45, 45))
def subpixel_unet3d(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = WIDTHS) -> nn.Module:
    """Sub-pixel U-Net 3D: 3 widths, 16..64; for voxels of about equal sides, for live use."""
    return SubpixelUNet3D(in_channels, out_channels, checked_widths("subpixel_unet3d", widths, 3))


@register("subpixel_unet3d_anisotropic", ndim=3, stride=(2, 8, 8), halo=(10, 45, 45))
def subpixel_unet3d_anisotropic(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = WIDTHS) -> nn.Module:
    """Sub-pixel U-Net 3D, anisotropic: 3 widths, 16..64; for sections thicker than pixels are wide, for live use."""
    widths = checked_widths("subpixel_unet3d_anisotropic", widths, 3)
    return SubpixelUNet3D(in_channels, out_channels, widths, ANISOTROPIC)
