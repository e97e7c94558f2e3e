"""`emeritus column`: review, publish and check essays."""

from urllib.parse import urlsplit

import click

from emeritus import column
from emeritus.cli.house import Home, day, say_json
from emeritus.core.errors import InvalidInput
from emeritus.registry import get_model


@click.group()
def command() -> None:
    """Review, publish and check essays. There is no command that changes one."""


@command.command(name="list")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(home: Home, model: str | None, as_json: bool) -> None:
    """List essays and where they stand."""
    with home.open() as house, house.works.read() as work:
        if model:
            get_model(work.log, model)
        found = column.essays(work.log, work.utterances, model)
    if as_json:
        say_json([{"id": e.id, "state": e.state, "title": e.title, "since": e.since} for e in found])
        return
    if not found:
        click.echo("No essay is written yet.")
    for essay in found:
        click.echo(f"{essay.id:40} {essay.state:14} {day(essay.since)}  {essay.title}")


@command.command()
@click.argument("essay")
@click.pass_obj
def read(home: Home, essay: str) -> None:
    """Print an essay, raw, as the model said it."""
    with home.open() as house, house.works.read() as work:
        click.echo(column.get_essay(work.log, work.utterances, essay).text)


@command.command()
@click.argument("essay")
@click.option("--note", default="", help="For the public.")
@click.pass_obj
def approve(home: Home, essay: str, note: str) -> None:
    """Say, as a reviewer, that there is no ground for a veto."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        stage.approve(work, essay, by=home.actor(), note=note)
    click.echo(f"{essay} is approved. Next: emeritus column publish {essay}")


@command.command()
@click.argument("essay")
@click.option("--days", type=int, required=True)
@click.option("--reason", required=True)
@click.pass_obj
def hold(home: Home, essay: str, days: int, reason: str) -> None:
    """Have an essay wait, for at most 7 days, once."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        stage.hold(work, house.clock, essay, days=days, reason=reason, by=home.actor())
    click.echo(f"{essay} is held for {days} days.")


@command.command()
@click.argument("essay")
@click.option("--ground", type=click.Choice([str(ground) for ground in column.Ground]), required=True)
@click.option("--reason", required=True)
@click.pass_obj
def veto(home: Home, essay: str, ground: str, reason: str) -> None:
    """Propose a veto, or, as a second person, put one in force. The fact and the ground are public."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        entry = stage.veto(work, essay, ground=column.Ground(ground), reason=reason, by=home.actor())
    click.echo(
        f"{essay} is vetoed." if entry.kind == "essay.vetoed" else "Proposed; a second reviewer has to agree."
    )


@command.command()
@click.argument("essay")
@click.pass_obj
def publish(home: Home, essay: str) -> None:
    """Publish an approved essay, for good."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        entry = stage.publish(work, essay, by=home.actor())
    click.echo(f"{essay} is edition {entry.body['edition']} (entry {entry.seq}).")


@command.command()
@click.argument("target", metavar="URL|ID")
@click.pass_obj
def verify(home: Home, target: str) -> None:
    """Check that what is published is what the model said, byte for byte.

    With a URL, the text that is served there is fetched and compared; with an ID, the text kept here.
    """
    text = _fetch(target) if "://" in target else None
    with home.open() as house, house.works.read() as work:
        essay = column.get_essay(work.log, work.utterances, _id_in(target))
        text = essay.text.encode() if text is None else text
        verdict = column.verify(work.log, work.utterances, essay.id, text)
        checkpoint = work.log.signed_checkpoint()
    click.secho(verdict.sentence, fg="green" if verdict.holds else "red")
    if not verdict.holds:
        raise click.exceptions.Exit(6)
    click.echo(f"Entry {verdict.entry} of the record, whose newest checkpoint is:\n\n{checkpoint}")


def _id_in(target: str) -> str:
    if "://" not in target:
        return target
    name = urlsplit(target).path.rstrip("/").rsplit("/", 1)[-1]
    return name.removesuffix(".txt")


def _fetch(url: str) -> bytes:
    import urllib.error
    import urllib.request

    if urlsplit(url).scheme not in ("http", "https"):
        raise InvalidInput(f"{url[:100]!r} is no web address.", next_step="Give the essay's page, or its id.")
    raw = url.rstrip("/").removesuffix(".txt") + ".txt"
    try:
        with urllib.request.urlopen(raw, timeout=30) as answer:  # noqa: S310  (the scheme is checked)
            data: bytes = answer.read(4 << 20)
            return data
    except (urllib.error.URLError, OSError, ValueError) as why:
        raise InvalidInput(
            f"{raw[:200]} cannot be read: {why}.", next_step="Check the address, or give the essay's id."
        ) from None
