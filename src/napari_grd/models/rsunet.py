"""RSUNet, an anisotropic residual U-Net (Lee et al., arXiv 1706.00120; method.md, section 1.3), at any width."""

from itertools import pairwise

from torch import Tensor, nn

from napari_grd.models.registry import checked_widths, register

TEACHER_WIDTHS = (28, 36, 48, 64, 80)
TINY_WIDTHS = (8, 16, 16, 24, 32)
_POOL = (1, 2, 2)


def _conv(in_channels: int, out_channels: int, kernel: tuple[int, int, int] = (3, 3, 3)) -> nn.Conv3d:
    return nn.Conv3d(in_channels, out_channels, kernel, padding=(kernel[0] // 2, 1, 1), bias=False)


def _in_plane(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(in_channels, out_channels, (1, 5, 5), padding=(0, 2, 2)), nn.ELU())


class ResidualBlock(nn.Module):
    """A convolution in plane, then two of 3x3x3 with a shortcut; the sum is normalized."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        conv = _conv(in_channels, out_channels, (1, 3, 3))
        self.first = nn.Sequential(conv, nn.BatchNorm3d(out_channels), nn.ELU())
        conv = _conv(out_channels, out_channels)
        self.rest = nn.Sequential(conv, nn.BatchNorm3d(out_channels), nn.ELU(), _conv(out_channels, out_channels))
        self.last = nn.Sequential(nn.BatchNorm3d(out_channels), nn.ELU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y: Tensor = self.last(x + self.rest(x))
        return y


class RSUNet(nn.Module):
    """A U-Net of residual blocks that pools by 2 in plane only and adds its skips.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 5 int
        Channels at full, 1/2, 1/4, 1/8 and 1/16 resolution in plane.

    Notes
    -----
    Sides of the input in plane must be multiples of 16; any number of sections is valid. Features are reduced to the
    channels of the finer level before they are up-sampled, which is the same as after, and takes a quarter of the time.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = TINY_WIDTHS) -> None:
        super().__init__()
        first = widths[0]
        self.stem = _in_plane(in_channels, first)
        self.down = nn.ModuleList(ResidualBlock(a, b) for a, b in pairwise((first, *widths)))
        self.reduce = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(nn.Sequential(nn.BatchNorm3d(a), nn.ELU()) for a in widths[:-1])
        self.up = nn.ModuleList(ResidualBlock(a, a) for a in widths[:-1])
        self.last = _in_plane(first, first)
        self.head = nn.Conv3d(first, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        skips = []
        *finer, coarsest = self.down
        for block in finer:
            x = block(x)
            skips.append(x)
            x = nn.functional.max_pool3d(x, _POOL)
        x = coarsest(x)
        for reduce, merge, block in zip(self.reduce[::-1], self.merge[::-1], self.up[::-1], strict=True):
            raised = nn.functional.interpolate(reduce(x), scale_factor=[float(n) for n in _POOL], mode="trilinear")
            x = block(merge(raised + skips.pop()))
        out: Tensor = self.head(self.last(x))
        return out


@register("rsunet", ndim=3, stride=(1, 16, 16), halo=(18, 172, 172))
def rsunet(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = TINY_WIDTHS) -> nn.Module:
    """RSUNet: 5 widths, from 8..32 (tiny student) to 28..80 (teacher); for sections thicker than pixels are wide."""
    return RSUNet(in_channels, out_channels, checked_widths("rsunet", widths, 5))
