"""Kinds of simulated nuclei: properties of specimen and microscope."""

from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True)
class NucleiKind:
    """Appearance of nuclei in one kind of image.

    Attributes
    ----------
    radius : float
        Mean half axis in pixels.
    pixels_each : int
        Image area in pixels per nucleus.
    size_spread, brightness_spread : float
        Standard deviation of the logarithm of size and of brightness.
    elongation : float
        Maximum ratio of length to width of a nucleus.
    clumped : float
        Share of the nuclei that are placed next to another one.
    brightness : float
        Photons in the center of an average nucleus.
    texture : float
        Strength of the chromatin texture, 1 is typical.
    cytoplasm : float
        Photons from cloudy structure around and between nuclei.
    blur : float
        Sigma of the lens in pixels.
    glow : float
        Share of out-of-focus light.
    shading : float
        Maximum relative difference of illumination between center and edge.
    background : float
        Photons of the background.
    """

    radius: float = 13.0
    pixels_each: int = 2200
    size_spread: float = 0.15
    brightness_spread: float = 0.25
    elongation: float = 1.9
    clumped: float = 0.25
    brightness: float = 420.0
    texture: float = 1.0
    cytoplasm: float = 0.0
    blur: float = 0.9
    glow: float = 0.06
    shading: float = 0.06
    background: float = 18.0


CULTURE = NucleiKind()
VOLUME = replace(CULTURE, radius=10.0, pixels_each=9000, blur=1.2)

NUCLEI = MappingProxyType(
    {
        "culture": CULTURE,
        "crowded": replace(CULTURE, radius=11.0, pixels_each=900, clumped=0.5, elongation=1.6, glow=0.12),
        "faint": replace(CULTURE, radius=12.0, pixels_each=2000, brightness=80.0, background=40.0, blur=1.3),
        "large": replace(CULTURE, radius=21.0, pixels_each=4200, texture=0.7, brightness=300.0),
        "small": replace(CULTURE, radius=8.0, pixels_each=1100, size_spread=0.2),
        "blurred": replace(CULTURE, pixels_each=2200, blur=1.7, glow=0.2, shading=0.2),
        "mixed": replace(CULTURE, pixels_each=2000, size_spread=0.25, brightness_spread=0.5, elongation=2.6),
        "hazy": replace(CULTURE, brightness=250.0, cytoplasm=15.0, background=100.0, shading=0.4),
    }
)
"""Kinds by name, from good to poor fluorescence images of cultures."""
