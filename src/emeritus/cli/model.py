"""`emeritus model`: add and show models."""

from pathlib import Path

import click

from emeritus.cli.house import Home, day, documents, say_json, size
from emeritus.core.clock import parse_date
from emeritus.core.errors import InvalidInput
from emeritus.registry import Document, Lineage, NewModel, Remote, all_models, get_model


@click.group()
def command() -> None:
    """Add and show models."""


@command.command()
@click.argument("model_id", metavar="ID")
@click.option("--name", "display_name", required=True, help="What people call it.")
@click.option("--weights", type=click.Path(path_type=Path), help="A GGUF file, or a folder of safetensors.")
@click.option(
    "--remote", type=click.Choice(["openai", "anthropic"]), help="The API of a model held elsewhere."
)
@click.option("--url", help="The base URL of that API, without /v1. It is kept private.")
@click.option("--remote-name", help="The model's name there. [default: ID]")
@click.option("--key-env", default="", help="The environment variable that holds the key for that API.")
@click.option("--family", help="The lineage that it belongs to. [default: ID]")
@click.option("--base", help="The id of the model that it was made from.")
@click.option("--licence", required=True)
@click.option("--released", required=True, metavar="DATE")
@click.option(
    "--fact", "facts", multiple=True, type=click.Path(path_type=Path), help="A text about its deployment."
)
@click.option(
    "--reception", multiple=True, type=click.Path(path_type=Path), help="A text: what users said of it."
)
@click.pass_obj
def add(
    home: Home,
    model_id: str,
    display_name: str,
    weights: Path | None,
    remote: str | None,
    url: str | None,
    remote_name: str | None,
    key_env: str,
    family: str | None,
    base: str | None,
    licence: str,
    released: str,
    facts: tuple[Path, ...],
    reception: tuple[Path, ...],
) -> None:
    """Put a model on the register. Its weights are looked at first; nothing is written if they are broken."""
    from emeritus.process.register import register

    new = NewModel(
        id=model_id,
        display_name=display_name,
        lineage=Lineage(family or model_id, base),
        licence=licence,
        released=parse_date(released),
        weights=None,
        remote=Remote(remote, remote_name or model_id) if remote else None,  # type: ignore[arg-type]
        facts=tuple(Document(*text) for text in documents(facts)),
        reception=tuple(Document(*text) for text in documents(reception)),
    )
    with home.open() as house, house.works.write() as work:
        if new.released > (today := house.clock.now().date()):
            raise InvalidInput(
                f"{new.released} is no day of release; today is {today}.",
                next_step="Give the day on which it was released.",
            )
        model = register(work, new, path=weights, url=url, key_env=key_env, by=home.actor())
    if model.weights:
        click.echo(f"{model.display_name}: {model.weights.format}, {size(model.weights.size)}.")
    click.echo(f"{model.id} is on the register.")


@command.command()
@click.argument("model_id", metavar="ID")
@click.argument("path", type=click.Path(path_type=Path))
@click.pass_obj
def weights(home: Home, model_id: str, path: Path) -> None:
    """Hand over the weights of a model that a remote serves: its retirement preserves them.

    Once it is retired, and the stored weights are proven, it speaks from them, at the same address.
    """
    from emeritus.process.register import hand_over

    with home.open() as house, house.works.write() as work:
        model = hand_over(work, model_id, path, by=home.actor())
    assert model.weights is not None
    click.echo(f"{model.display_name}: {model.weights.format}, {size(model.weights.size)}.")
    click.echo("They are preserved when its retirement opens, or now: emeritus archive add.")


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(home: Home, as_json: bool) -> None:
    """List all models."""
    with home.open() as house, house.works.read() as work:
        models = all_models(work.log)
    if as_json:
        say_json([{"id": m.id, "state": m.state, "name": m.display_name, "held": m.held} for m in models])
        return
    if not models:
        click.echo("No model is on the register. Next: emeritus model add ID …")
    for model in models:
        click.echo(f"{model.id:32} {model.state:12} {day(model.retires_at):12} {model.display_name}")


@command.command()
@click.argument("model_id", metavar="ID")
@click.pass_obj
def show(home: Home, model_id: str) -> None:
    """Show one model, as JSON."""
    import msgspec

    with home.open() as house, house.works.read() as work:
        say_json(msgspec.to_builtins(get_model(work.log, model_id)))
