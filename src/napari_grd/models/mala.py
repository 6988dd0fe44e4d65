"""MALA, the method's own 3D network (Funke et al., TPAMI 2019; method.md, section 1.2), at any width."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from napari_grd.errors import ConfigError
from napari_grd.models.registry import checked_widths, register

TEACHER_WIDTHS = (12, 60, 300, 1500)
TINY_WIDTHS = (8, 16, 32, 64, 32, 32, 8)
_SLOPE = 0.005
_POOL = (1, 3, 3)
# What the convolutions below a level remove at each side, in voxels of that level: the crops of skips, coarse to fine.
_CROPS = ((2, 6, 6), (6, 30, 30), (10, 102, 102))


def _pair(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, 3),
        nn.LeakyReLU(_SLOPE),
        nn.Conv3d(out_channels, out_channels, 3),
        nn.LeakyReLU(_SLOPE),
    )


def _up(in_channels: int, out_channels: int) -> nn.Sequential:
    raised = nn.ConvTranspose3d(in_channels, in_channels, _POOL, _POOL, groups=in_channels, bias=False)
    return nn.Sequential(raised, nn.Conv3d(in_channels, out_channels, 1))


class MALA(nn.Module):
    """A U-Net of valid 3x3x3 convolutions that pools by 3 in plane only, without normalization layers.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 4 or 7 int
        Channels of the encoder at full, 1/3, 1/9 and 1/27 resolution, then of the decoder at 1/9, 1/3 and full
        resolution (default: as the encoder there).

    Notes
    -----
    The input is at least 29 voxels in z and 27 k + 160 in plane, with k of at least 2. The output is smaller by 14
    voxels at each side in z, and by 106 in plane. Skips are taken before the pooling and come second in concatenations.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = TINY_WIDTHS) -> None:
        super().__init__()
        encoder, decoder = widths[:4], widths[4:] or widths[2::-1]
        self.down = nn.ModuleList(_pair(a, b) for a, b in pairwise((in_channels, *encoder)))
        skips, below = encoder[2::-1], (encoder[3], *decoder)
        self.up = nn.ModuleList(_up(a, b) for a, b in zip(below, skips, strict=False))
        self.merge = nn.ModuleList(_pair(2 * a, b) for a, b in zip(skips, decoder, strict=True))
        self.head = nn.Conv3d(decoder[-1], out_channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.kaiming_normal_(module.weight, _SLOPE, "fan_in", "leaky_relu")

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        *finer, coarsest = self.down
        for block in finer:
            x = block(x)
            skips.append(x)
            x = nn.functional.max_pool3d(x, _POOL)
        x = coarsest(x)
        for raise_, merge, crop in zip(self.up, self.merge, _CROPS, strict=True):
            z, y, x_ = crop
            skip = skips.pop()[:, :, z:-z, y:-y, x_:-x_]
            x = merge(torch.cat([raise_(x), skip], dim=1))
        out: Tensor = self.head(x)
        return out


@register("mala", ndim=3, stride=(1, 27, 27), margin=(14, 106, 106), smallest=(29, 214, 214), halo=(14, 132, 132))
def mala(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = TINY_WIDTHS) -> nn.Module:
    """MALA: 4 widths (encoder) or 7 (and decoder), from 8, 16, 32, 64, 32, 32, 8 (tiny) to 12..1500 (teacher)."""
    if len(widths) not in (4, 7):
        raise ConfigError(f"The widths of 'mala' are {tuple(widths)}.", "Give 4 or 7 whole numbers, or none.")
    return MALA(in_channels, out_channels, checked_widths("mala", widths, len(widths)))
