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
        return DistillConfig().replace(steps=20, batch=2, patch=64)
    return DistillConfig().replace(
        steps=450,
        patch=96,
        labeled_share=0.25,  # the labeled images are of one kind only
        **{
            # In 500 steps AdamW came to an AP50 of 0.72 and 0.75 in rehearsal (without a teacher and with one), Muon to
            # 0.83 and 0.88.
            "optim.name": "muon",
            "optim.lr": 5e-3,
            "optim.ema": 0.98,
            "weights.agd": 2.0,
            "weights.node": 0.02,
            "weights.agd_inter": 0.8,
            "weights.igd_inter": 0.2,
        },
    )


def starting_config() -> DistillConfig:
    """The recipe the plugin starts with: a tiny student in some minutes on a CPU."""
    return DistillConfig().replace(
        steps=600,
        validate_every=100,
        **{
            "assistant.network.widths": (8, 16, 32, 64, 128),
            "assistant.steps": 400,
            # In so short a training the usual 10 drowns the class-weighted borders: touching nuclei merge.
            "weights.agd": 2.0,
            "weights.agd_balanced": True,
        },
    )
