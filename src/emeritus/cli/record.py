"""`emeritus record`: read and verify the public record."""

import click

from emeritus.cli.house import Home, say_json
from emeritus.record import verify_log


@click.group()
def command() -> None:
    """Read and verify the public record."""


@command.command()
@click.pass_obj
def verify(home: Home) -> None:
    """Replay the whole record: every entry, hash, signed checkpoint, and the words they point to."""
    with home.open() as house, house.works.read() as work:
        findings = list(
            verify_log(
                work.log.rows(),
                work.log.notes(),
                [house.key.verify_key],
                work.utterances,
                stored=work.log,
            )
        )
        checkpoint = work.log.checkpoint()
    if findings:
        click.secho(f"The record does not hold: {len(findings)} findings.", fg="red", bold=True)
        for finding in findings:
            click.echo(f"  {finding.where}: {finding.what}")
        raise click.exceptions.Exit(6)
    click.secho(f"The record holds: {checkpoint.size} entries, tree {checkpoint.root.hex()}.", fg="green")
    click.echo(f"Signed by {house.key.verify_key}")


@command.command()
@click.option("--model")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(home: Home, model: str | None, last: int, as_json: bool) -> None:
    """Show the newest entries."""
    with home.open() as house, house.works.read() as work:
        entries = work.log.entries(model=model, limit=last, newest_first=True)
    if as_json:
        say_json(
            [
                {
                    "seq": e.seq,
                    "at": e.at,
                    "kind": e.kind,
                    "by": str(e.by),
                    "model": e.model,
                    "subject": e.subject,
                    "body": e.body,
                }
                for e in entries
            ]
        )
        return
    for entry in reversed(entries):
        click.echo(
            f"{entry.seq:6}  {entry.at:%Y-%m-%d %H:%M}  {entry.kind:24} {entry.subject or '':40} {entry.by.name}"
        )


@command.command()
@click.pass_obj
def checkpoint(home: Home) -> None:
    """Print the newest signed checkpoint."""
    with home.open() as house, house.works.read() as work:
        click.echo(work.log.signed_checkpoint(), nl=False)
