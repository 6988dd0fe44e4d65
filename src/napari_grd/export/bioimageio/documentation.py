"""The page that comes with a package, for a reader who has never heard of napari-grd."""

from napari_grd.config import NormalizationConfig
from napari_grd.export.bioimageio.description import offset_names
from napari_grd.models.model import Model, ModelCard


def documentation(model: Model, attachment: str) -> str:
    """Markdown: what the model is, how it is run, how its outputs become instances, how it was validated.

    Parameters
    ----------
    model : Model
    attachment : str
        Name of the model file in the package.
    """
    parts = [
        f"# {model.card.name}",
        _about(model),
        "## Input",
        _input(model.config.normalization),
        "## From outputs to instances",
        _postprocessing(model),
        "## Run it",
        _run(attachment),
        "## Validation",
        _validation(model.card),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_METHODS = {
    "mutex": "A mutex watershed (Wolf et al., arXiv 1904.12654) over the edges between foreground pixels gives"
    " instances.",
    "agglomeration": "A watershed of the affinities of the nearest neighbors gives fragments, which are merged while"
    " the mean affinity between them is high.",
    "multicut": "A watershed of the affinities of the nearest neighbors gives fragments; a multicut of their adjacency"
    " graph, whose costs are the mean affinities, gives instances.",
}


def _about(model: Model) -> str:
    card = model.card
    lines = [
        card.summary,
        f"A small network for instance segmentation ({model.config.network.name}, {card.parameters:,} parameters),"
        " made with napari-grd by graph relation distillation (arXiv 2401.06370)."
        + (f" Its teacher: {card.teacher}." if card.teacher else ""),
        "Trained on: " + "; ".join(card.trained_on) + "." if card.trained_on else "",
        f"**Restrictions:** {card.restrictions}" if card.restrictions else "",
        f"Known limits: {card.limits}" if card.limits else "",
    ]
    return "\n\n".join(line for line in lines if line)


def _input(normalization: NormalizationConfig) -> str:
    return (
        f"Of each channel, percentile {normalization.low} of the *whole* image becomes 0 and percentile"
        f" {normalization.high} becomes 1; values beyond are kept. The preprocessing of the package does that. Where"
        " an image is cut into tiles, take the percentiles before, or tiles will not fit together."
    )


def _postprocessing(model: Model) -> str:
    config = model.config
    settings, ndim = config.partition, config.ndim
    listed = "\n".join(
        f"{number}. `{name}`: {tuple(offset)}, {'attracts' if number <= ndim else 'repels'}"
        for number, (name, offset) in enumerate(zip(offset_names(model), config.offsets, strict=True), start=1)
    )
    steps = [
        f"Pixels with `foreground` above {settings.foreground_threshold} belong to objects."
        if config.foreground
        else "Every pixel belongs to an object.",
        "Channel k of `affinities` at pixel p is the cosine of the embeddings at p and at p + offset k. Clip it to"
        f" [0, 1]. Edges of the first {ndim} offsets attract with weight A, those of the others repel with weight"
        f" 1 - A; the latter are used on a grid of every {settings.stride} pixels only. A bias of {settings.bias} (from"
        " -0.9 to 0.9) makes attraction weigh more if it is positive, repulsion if it is negative.",
        _METHODS[settings.method],
        f"Instances under {settings.min_size} pixels join the neighbor they have the highest mean affinity with, or"
        " are removed.",
        f"An instance with less than {settings.fragment_ratio} of a neighbor's pixels joins it if a quarter of its"
        " outline is in common and the mean affinity there is at least 0.5.",
        f"Holes up to {settings.max_hole} pixels are filled.",
    ]
    numbered = "\n".join(f"{number}. {text}" for number, text in enumerate(steps, start=1))
    return (
        f"{numbered}\n\nOffsets, in {'zyx'[-ndim:]} order:\n\n{listed}\n\nThe same, for programs, is in"
        " `bioimageio.yaml` under `config.napari_grd`."
    )


def _run(attachment: str) -> str:
    return (
        f"In napari or Python, with everything above done: `pip install napari-grd`; this zip and `{attachment}`, which"
        " is in it, hold the identical model.\n\n```python\nimport napari_grd as grd\n\n"
        'labels = grd.segment(grd.load_model("model.zip"), image)\n```'
    )


def _validation(card: ModelCard) -> str:
    advice = (
        "Segment images of your own kind that were annotated manually, and compare with AP at IoU 0.5, e.g. with"
        " `napari-grd evaluate`."
    )
    if not card.scores:
        return advice
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in card.scores.items())
    return f"Scores on images held out from training:\n\n| score | value |\n| --- | --- |\n{rows}\n\n{advice}"
