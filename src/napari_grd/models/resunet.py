"""ResUNet, the method's own 2D network (method.md, section 1.1), at any width."""

import torch
from torch import Tensor, nn

from napari_grd.models.registry import checked_widths, register

TEACHER_WIDTHS = (32, 64, 179, 349, 680)
TINY_WIDTHS = (4, 8, 16, 32, 64)
_FINE = 2  # last levels of the decoder that learn from corrections when the rest is frozen: 1/2 and full resolution


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a 3x3 shortcut; the shortcut is never an identity."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.shortcut(x))


class ResUNet(nn.Module):
    """Encoder-decoder of residual blocks.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the image and of the output (embedding plus foreground logit).
    widths : tuple of 5 int
        Channels at full, 1/2, 1/4, 1/8 and 1/16 resolution.
    align_corners : bool, default False
        How the bilinear up-sampling treats borders. The paper's code uses True, with which a crop and the whole image
        differ by up to 5 %, so models use False.

    Notes
    -----
    The skips are the *pooled* encoder tensors and there is none at full
    resolution; up-sampling comes before the block, concatenation before the
    up-sampling. Sides of the input must be multiples of 16.
    """

    def __init__(
        self, in_channels: int, out_channels: int, widths: tuple[int, ...] = TINY_WIDTHS, *, align_corners: bool = False
    ) -> None:
        super().__init__()
        f0, f1, f2, f3, f4 = widths
        self.stem = ResidualBlock(in_channels, f0)
        self.down = nn.ModuleList(ResidualBlock(a, b) for a, b in ((f0, f1), (f1, f2), (f2, f3), (f3, f4)))
        self.up = nn.ModuleList(ResidualBlock(a, b) for a, b in ((f4, f4), (f4 + f3, f3), (f3 + f2, f2), (f2 + f1, f1)))
        self.head = nn.Conv2d(f1, out_channels, 1)
        self.align_corners = align_corners

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    @property
    def encoder(self) -> tuple[nn.Module, ...]:
        """The modules of :meth:`encode`; the others are those of :meth:`decode`."""
        return self.stem, self.down, *self.up[:-_FINE]

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """What the fine levels of the decoder read: the coarse levels' output, and skips from fine to coarse."""
        x = self.stem(x)
        skips = []
        for block in self.down:
            x = nn.functional.max_pool2d(block(x), 2)
            skips.append(x)
        skips.pop()  # the bottleneck is the start of the decoder, not a skip
        for block in self.up[:-_FINE]:
            x = self._finer(block, x, skips)
        return x, *skips

    def decode(self, features: tuple[Tensor, ...]) -> Tensor:
        """The output, from what :meth:`encode` returned."""
        x, *skips = features
        for block in self.up[-_FINE:]:
            x = self._finer(block, x, skips)
        out: Tensor = self.head(x)
        return out

    def _finer(self, block: nn.Module, x: Tensor, skips: list[Tensor]) -> Tensor:
        if block is not self.up[0]:
            x = torch.cat([x, skips.pop()], dim=1)
        x = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=self.align_corners)
        finer: Tensor = block(x)
        return finer


@register("resunet", stride=16)
def resunet(in_channels: int, out_channels: int, *, widths: tuple[int, ...] = TINY_WIDTHS) -> nn.Module:
    """ResUNet: 5 widths, from 4..64 (tiny student) to 32..680 (teacher)."""
    return ResUNet(in_channels, out_channels, checked_widths("resunet", widths, 5))
