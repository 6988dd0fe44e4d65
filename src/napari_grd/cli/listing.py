"""The commands that list models and teachers: info, models, teachers."""

from typing import Annotated

import typer
from rich.console import Console

from napari_grd.cli.output import print_table
from napari_grd.errors import ConfigError


def info(
    model: Annotated[str, typer.Argument(help="A model file or package, or the name of a built-in model.")],
) -> None:
    """Print a model's card, scores and settings."""
    import yaml

    from napari_grd.hub import resolve_model
    from napari_grd.io.bioimageio_package import read_package
    from napari_grd.io.model_file import read_card

    path = resolve_model(model)
    if path.suffix == ".zip":
        packed = read_package(path)
        config, card = packed.config, packed.card
    else:
        config, card = read_card(path)
    facts = {name: value for name, value in card.model_dump(mode="json").items() if value not in ("", None, [], {})}
    text = yaml.safe_dump({"card": facts, "config": config.model_dump(mode="json")}, sort_keys=False, width=100)
    Console(soft_wrap=True).print(text, markup=False, highlight=False, end="")


def models() -> None:
    """List the built-in models, and those in your list of models."""
    from napari_grd.api import builtin_models
    from napari_grd.hub import list_path, remote_models

    rows = [[card.name, card.summary, card.license, f"{card.parameters:,}"] for card in builtin_models()]
    print_table("Built-in models", ["name", "summary", "license", "parameters"], rows, left=3)
    listed = [[model.name, model.url, "yes" if model.here else "no"] for model in remote_models().values()]
    if listed:
        print_table(f"Models of {list_path()}", ["name", "address", "fetched"], listed, left=3)


def fetch(
    name: Annotated[str, typer.Argument(help="A name in your list of models.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Download a model from the address in your list of models, and check it.

    The list is models.txt in napari-grd's configuration folder, or the file that NAPARI_GRD_MODELS names: one model per
    line, NAME SHA256 ADDRESS.
    """
    from napari_grd.hub import fetch_model, remote_models

    remote = remote_models().get(name)
    if remote is not None and not remote.here and not yes:
        typer.confirm(f"Download {name} from {remote.url}?", abort=True)
    Console(soft_wrap=True).print(f"{name} is at {fetch_model(name)}", markup=False, highlight=False)


def teachers(name: Annotated[str | None, typer.Argument(help="List the options of this teacher.")] = None) -> None:
    """List the teachers, with the reason if one is not available."""
    from napari_grd.teaching.registry import options_of
    from napari_grd.teaching.registry import teachers as known

    if name is not None:
        if name not in known():
            raise ConfigError(f"There is no teacher named {name!r}.", f"Choose one of: {', '.join(known())}.")
        options = [
            [option.name, option.help, "needed" if option.required else str(option.default)]
            for option in options_of(name)
        ]
        print_table(f"Options of {name}", ["option", "what it is", "default"], options, left=3)
        return
    rows = [
        [
            name,
            info.summary,
            f"{info.license}. {info.restrictions}" if info.restrictions else info.license,
            "yes" if info.available else f"no: {info.reason}",
        ]
        for name, info in known().items()
    ]
    print_table("Teachers", ["name", "summary", "license", "available"], rows, left=4)
