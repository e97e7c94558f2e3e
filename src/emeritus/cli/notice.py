"""`emeritus notice`: the days of a retirement, on each surface."""

from pathlib import Path

import click

from emeritus.cli.house import Home, documents
from emeritus.core.clock import parse_date
from emeritus.core.errors import InvalidInput
from emeritus.registry import SURFACE_KINDS, SURFACE_MEANINGS, Meaning, NoticeDate, Surface, get_model, notice
from emeritus.registry.notice import SurfaceKind

_SAYS = {"retired": "retired from", "no-new-users": "no new users from", "last-day": "last day"}


@click.group()
def command() -> None:
    """Show the days of a retirement, and name or move them."""


@command.command()
@click.argument("model")
@click.pass_obj
def show(home: Home, model: str) -> None:
    """Show each day, how much notice was really given, and whether that is what was promised."""
    with home.open() as house, house.works.read() as work:
        name = get_model(work.log, model).display_name
        found = notice(work.log, model)
    if found is None:
        click.echo(f"{name} is in service; no notice has been given for it.")
        return
    click.secho(name, bold=True, nl=False)
    click.echo(f"  announced {found.announced:%Y-%m-%d}; {found.promised} days of notice are promised")
    for each in found.dates:
        _show(each)


def _show(one: NoticeDate) -> None:
    where = str(one.surface or "the model")
    click.echo(f"  {where:24} {_SAYS[one.meaning]:18} {one.on}  {one.days} days", nl=False)
    if one.promised is None:
        click.echo("")
    elif one.kept:
        click.secho(f"  kept, {-one.short_by} more than promised", fg="green")
    else:
        click.secho(f"  broken, {one.short_by} too few: {one.short_notice}", fg="red")
    for named in one.history[:-1]:
        click.echo(
            f"    before: {named.on}, named {named.at:%Y-%m-%d} by {named.by.name} (entry {named.entry})"
        )


@command.command()
@click.argument("model")
@click.option("--on", required=True, metavar="DATE", help="The new day of retirement (UTC).")
@click.option("--why", required=True, help="The reason, for the public.")
@click.option("--short-notice", metavar="REASON", help="Why less notice is given than was promised.")
@click.pass_obj
def move(home: Home, model: str, on: str, why: str, short_notice: str | None) -> None:
    """Name another day on which MODEL is retired; the one before stays on the record."""
    from emeritus.process import announce

    with home.open() as house, house.works.write() as work:
        entry = announce.move(
            work, house.clock, model, on=parse_date(on), why=why, by=home.actor(), short_notice=short_notice
        )
    click.echo(f"{model} retires on {on} (entry {entry.seq}).")


@command.command()
@click.argument("model")
@click.argument("surface", metavar="KIND:NAME")
@click.argument("meaning", type=click.Choice(SURFACE_MEANINGS))
@click.option("--on", required=True, metavar="DATE", help="That day.")
@click.option("--why", required=True, help="The reason, for the public.")
@click.option("--short-notice", metavar="REASON", help="Why less notice is given than was promised.")
@click.pass_obj
def date(
    home: Home, model: str, surface: str, meaning: Meaning, on: str, why: str, short_notice: str | None
) -> None:
    """Name the day on which something ends on a surface of MODEL, such as 'api:Messages' or 'region:eu-west'."""
    from emeritus.process import announce

    with home.open() as house, house.works.write() as work:
        entry = announce.give_notice(
            work,
            house.clock,
            model,
            surface=_surface(surface),
            meaning=meaning,
            on=parse_date(on),
            why=why,
            by=home.actor(),
            short_notice=short_notice,
        )
    click.echo(f"{surface}, {_SAYS[meaning]} {on} (entry {entry.seq}).")


def _surface(text: str) -> Surface:
    kind, colon, name = text.partition(":")
    known: dict[str, SurfaceKind] = {each: each for each in SURFACE_KINDS}
    if kind not in known or not colon:
        raise InvalidInput(
            f"{text[:60]!r} does not say which surface.",
            next_step=f"Write KIND:NAME; kinds are {', '.join(SURFACE_KINDS)}.",
        )
    return Surface(known[kind], name)


@command.command()
@click.argument("model")
@click.option("--text", help="In words, as to somebody who has to change a program.")
@click.option(
    "--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="The same, from a file."
)
@click.pass_obj
def explain(home: Home, model: str, text: str | None, file: Path | None) -> None:
    """Say what changes for those who move on from MODEL: on its page, and in every notice to who depends on it."""
    from emeritus.registry import migration

    if (text is None) == (file is None):
        raise InvalidInput(
            "It is not said, or said twice, what changes.", next_step="Give either --text or --file."
        )
    whole = documents((file,))[0][1] if file is not None else text or ""
    with home.open() as house, house.works.write() as work:
        made = migration.explain(work.log, model, text=whole, by=home.actor())
    click.echo(f"Entry {made.entry} says what changes.")
