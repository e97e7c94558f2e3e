"""`emeritus column`: review, publish and check essays."""

import click

from emeritus import column
from emeritus.cli.house import Home, day, say_json
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
@click.pass_context
def verify(ctx: click.Context, target: str) -> None:
    """Check that what is published is what the model said, byte for byte.

    With an ID, the text kept in this house; with a URL, what is served there, as `emeritus verify` does it.
    """
    if "://" in target:
        from emeritus.cli.verify import command as stranger

        ctx.invoke(stranger, target=target)
        return
    home: Home = ctx.obj
    with home.open() as house, house.works.read() as work:
        essay = column.get_essay(work.log, work.utterances, target)
        verdict = column.verify(work.log, work.utterances, essay.id, essay.text.encode())
        checkpoint = work.log.signed_checkpoint()
    click.secho(verdict.sentence, fg="green" if verdict.holds else "red")
    if not verdict.holds:
        raise click.exceptions.Exit(6)
    click.echo(f"Entry {verdict.entry} of the record, whose newest checkpoint is:\n\n{checkpoint}")
