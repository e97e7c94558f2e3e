"""`emeritus voices`: who is loaded where, and what stays loaded."""

from datetime import timedelta

import click

from emeritus.cli.house import Home, say_json
from emeritus.registry import get_model
from emeritus.store.nodes import SqlNodes

_GONE = timedelta(seconds=10)


@click.group(name="voices")
def command() -> None:
    """Show which nodes serve and what they have loaded; keep models loaded."""


@command.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def status(home: Home, as_json: bool) -> None:
    """Show the nodes that serve now, and the models that each has loaded."""
    with home.open() as house:
        book = SqlNodes(house.database)
        nodes, pins = book.seen_since(house.clock.now() - _GONE), book.pins()
    pins = sorted({*pins, *house.settings.engine_pins})
    if as_json:
        told = [
            {
                "id": node.id,
                "url": node.url,
                "load": node.load,
                "draining": node.draining,
                "models": dict(node.models),
            }
            for node in nodes
        ]
        say_json({"nodes": told, "pins": pins})
        return
    if not nodes:
        click.echo("Nobody serves now.")
    for node in nodes:
        where = f" at {node.url}" if node.url else ""
        click.echo(f"{node.id}{where}: {node.load} calls{', draining' if node.draining else ''}")
        for model, state in sorted(node.models.items()):
            click.echo(f"  {model}  {state}{'  pinned' if model in pins else ''}")
    if pins:
        click.echo(f"Pinned: {', '.join(pins)}")


@command.command()
@click.argument("model")
@click.pass_obj
def pin(home: Home, model: str) -> None:
    """Load MODEL and keep it loaded, on one of the nodes that serve."""
    with home.open() as house:
        with house.works.read() as work:
            get_model(work.log, model)
        SqlNodes(house.database).pin(model, house.clock.now())
    click.echo(f"{model} is pinned: it is loaded within seconds and stays.")


@command.command()
@click.argument("model")
@click.pass_obj
def unpin(home: Home, model: str) -> None:
    """Let MODEL go again when its room is needed."""
    with home.open() as house:
        done = SqlNodes(house.database).unpin(model)
    click.echo(f"{model} is not pinned any more." if done else f"{model} was not pinned here.")
