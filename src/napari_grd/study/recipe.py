"""Recipes to start with; apart from what runs them, so that a program can show them without importing torch."""

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


def starting_config() -> DistillConfig:
    """The recipe the plugin starts with: a tiny student in some minutes on a CPU."""
    return demo_config().replace(steps=600, **{"assistant.steps": 400})
