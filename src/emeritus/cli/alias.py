"""`emeritus alias`: names that stand for a model, and move only by a recorded decision."""

import click

from emeritus.cli.house import Home, say_json
from emeritus.core.clock import instant, parse_date
from emeritus.registry.alias import Alias, Move, all_aliases, end_alias, point_alias


@click.group()
def command() -> None:
    """Point names at models, and show where they point."""


@command.command()
@click.argument("name")
@click.argument("model")
@click.option("--on", metavar="DATE", help="From that day (UTC) on. [default: from now on]")
@click.option("--why", required=True, help="The reason, for the public.")
@click.pass_obj
def point(home: Home, name: str, model: str, on: str | None, why: str) -> None:
    """Have NAME stand for MODEL: from now on, or announced for a day to come."""
    with home.open() as house, house.works.write() as work:
        day = parse_date(on) if on else None
        entry = point_alias(work.log, house.clock, name, model=model, why=why, by=home.actor(), on=day)
    click.echo(f"{name} stands for {model} from {entry.body['on']} on (entry {entry.seq}).")


@command.command()
@click.argument("name")
@click.option("--on", metavar="DATE", help="From that day (UTC) on. [default: from now on]")
@click.option("--why", required=True, help="The reason, for the public.")
@click.pass_obj
def end(home: Home, name: str, on: str | None, why: str) -> None:
    """Have NAME stand for nothing any more."""
    with home.open() as house, house.works.write() as work:
        day = parse_date(on) if on else None
        entry = end_alias(work.log, house.clock, name, why=why, by=home.actor(), on=day)
    click.echo(f"{name} ends on {entry.body['on']} (entry {entry.seq}).")


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(home: Home, as_json: bool) -> None:
    """Show where each alias points, where it is to move, and since when."""
    with home.open() as house, house.works.read() as work:
        aliases, now = all_aliases(work.log), house.clock.now()
    if as_json:
        say_json([_told(alias, alias.model(now)) for alias in aliases])
        return
    if not aliases:
        click.echo("No name stands for a model. Next: emeritus alias point NAME MODEL --why '…'")
    for alias in aliases:
        standing, next_ = alias.standing(now), alias.announced(now)
        click.echo(f"{alias.name:32} {_where(standing)}{f'; {_where(next_)}' if next_ else ''}")


def _where(move: Move | None) -> str:
    if move is None:
        return "nothing yet"
    return f"{move.model} from {move.on} on" if move.model else f"ends on {move.on}"


def _told(alias: Alias, model: str | None) -> dict[str, object]:
    return {
        "alias": alias.name,
        "model": model,
        "moves": [
            {
                "model": move.model,
                "on": move.on.isoformat(),
                "holds_from": instant(move.holds_from),
                "why": move.why,
                "by": str(move.by),
                "entry": move.entry,
            }
            for move in alias.moves
        ],
    }
