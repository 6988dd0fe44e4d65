"""ResUNet for volumes: the structure of the method's 2D network (method.md, section 1.1) with 3x3x3 convolutions."""

import torch
from torch import Tensor, nn

from napari_grd.models.registry import checked_widths, register

TINY_WIDTHS = (4, 8, 16, 32, 48)
ISOTROPIC = ((2, 2, 2),) * 4
ANISOTROPIC = ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2))

Pooling = tuple[tuple[int, int, int], ...]


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(in_channels, out_channels, 3, padding=1), nn.BatchNorm3d(out_channels))


class ResidualBlock3D(nn.Module):
    """Two 3x3x3 convolutions beside a 3x3x3 shortcut; the shortcut is never an identity."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(_conv(in_channels, out_channels), nn.ReLU(), _conv(out_channels, out_channels))
        self.shortcut = _conv(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.shortcut(x))


class ResUNet3D(nn.Module):
    """Encoder-decoder of residual blocks.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 5 int
        Channels at full resolution and after each pooling.
    pooling : tuple of 4 tuples
        Factors (z, y, x) of each pooling, fine to coarse. Sections that are thicker than pixels are wide need poolings
        in plane first.

    Notes
    -----
    As in 2D, the skips are the pooled tensors, there is none at full resolution, and up-sampling (linear, corners not
    aligned) comes before a block. Sides of the input must be multiples of the product of the factors.
    """

    def __init__(
        self, in_channels: int, out_channels: int, widths: tuple[int, ...] = TINY_WIDTHS, pooling: Pooling = ISOTROPIC
    ) -> None:
        super().__init__()
        f0, f1, f2, f3, f4 = widths
        self.stem = ResidualBlock3D(in_channels, f0)
        self.down = nn.ModuleList(ResidualBlock3D(a, b) for a, b in ((f0, f1), (f1, f2), (f2, f3), (f3, f4)))
        pairs = ((f4, f4), (f4 + f3, f3), (f3 + f2, f2), (f2 + f1, f1))
        self.up = nn.ModuleList(ResidualBlock3D(a, b) for a, b in pairs)
        self.head = nn.Conv3d(f1, out_channels, 1)
        self.pooling = pooling

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skips = []
        for block, factors in zip(self.down, self.pooling, strict=True):
            x = nn.functional.max_pool3d(block(x), factors)
            skips.append(x)
        x = skips.pop()
        for number, (block, factors) in enumerate(zip(self.up, self.pooling[::-1], strict=True)):
            if number:
                x = torch.cat([x, skips.pop()], dim=1)
            x = nn.functional.interpolate(x, scale_factor=[float(factor) for factor in factors], mode="trilinear")
            x = block(x)
        out: Tensor = self.head(x)
        return out


@register("resunet3d", ndim=3, stride=16, halo=(92, 92, 92))
def resunet3d(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = TINY_WIDTHS) -> nn.Module:
    """ResUNet 3D: 5 widths, from 4..48 (tiny student); for voxels of about equal sides."""
    return ResUNet3D(in_channels, out_channels, checked_widths("resunet3d", widths, 5))


@register("resunet3d_anisotropic", ndim=3, stride=(4, 16, 16), halo=(28, 92, 92))
def resunet3d_anisotropic(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = TINY_WIDTHS) -> nn.Module:
    """ResUNet 3D, anisotropic: 5 widths, from 4..48 (tiny student); for sections thicker than pixels are wide."""
    return ResUNet3D(in_channels, out_channels, checked_widths("resunet3d_anisotropic", widths, 5), ANISOTROPIC)
