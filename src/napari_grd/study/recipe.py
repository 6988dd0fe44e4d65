"""The recipe of the demonstration; apart from it, so that the program can show it without importing torch."""

from napari_grd.config import DistillConfig


def demo_config(*, quick: bool = False) -> DistillConfig:
    """The recipe of the demonstration.

    Parameters
    ----------
    quick : bool, default False
        Whether it shall only show that everything runs.
    """
    if quick:
        return DistillConfig().replace(
            steps=20,
            batch=2,
            patch=64,
            validate_every=20,
            **{"assistant.network.widths": (4, 8, 16, 32, 64), "assistant.steps": 20},
        )
    return DistillConfig().replace(
        steps=200,
        validate_every=100,
        **{
            "assistant.network.widths": (8, 16, 32, 64, 128),
            "assistant.steps": 250,
            # In so short a training the usual 10 drowns the class-weighted borders: touching nuclei merge.
            "weights.agd": 2.0,
            "weights.agd_balanced": True,
        },
    )
