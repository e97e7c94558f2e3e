"""`emeritus record`: read and verify the public record."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from emeritus.cli.house import Home, quiet_logs, say_json
from emeritus.core.errors import EmeritusError, IntegrityError, InvalidInput, NotFound
from emeritus.core.wording import count
from emeritus.record import verify_log
from emeritus.record.rotation import first_key
from emeritus.record.witness import Witness, ask, http_post

if TYPE_CHECKING:
    from emeritus.settings import Settings
    from emeritus.store.timestamps import Authority


@click.group()
def command() -> None:
    """Read and verify the public record."""


@command.command()
@click.option(
    "--remembered",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a checkpoint that somebody kept; any number of them.",
)
@click.pass_obj
def verify(home: Home, remembered: tuple[Path, ...]) -> None:
    """Replay the whole record: every entry, tile, signed checkpoint and row, and the words they point to."""
    from emeritus.store.timestamps import Timestamps

    kept = [path.read_text(encoding="utf-8", errors="replace") for path in remembered]
    with home.open() as house, house.works.read() as work:
        authority = _authority(house.settings)
        stamps = Timestamps(house.settings.home / "timestamps") if authority else None
        kept += stamps.notes() if stamps else ()
        first = first_key(work.log)
        findings = [
            *verify_log(
                work.log.rows(),
                [*work.log.notes(), *kept],
                [house.key.verify_key] if first is None else [first, house.key.verify_key],
                work.utterances,
                stored=work.log,
            ),
            *work.log.audit([Witness.parse(text) for text in house.settings.witnesses]),
            *(stamps.audit(authority) if stamps and authority else ()),
        ]
        checkpoint = work.log.checkpoint()
    if findings:
        click.secho(f"The record does not hold: {count(len(findings), 'finding')}.", fg="red", bold=True)
        for finding in findings:
            click.echo(f"  {finding.where}: {finding.what}")
        raise click.exceptions.Exit(6)
    click.secho(f"The record holds: {checkpoint.size} entries, tree {checkpoint.root.hex()}.", fg="green")
    click.echo(f"Signed by {house.key.verify_key}")


@command.command("rotate-key")
@click.option("--reason", required=True, help="Why, in a sentence; it stands on the public record.")
@click.option("--lost", is_flag=True, help="The old key is gone, so it cannot hand over.")
@click.pass_obj
def rotate(home: Home, reason: str, lost: bool) -> None:
    """Put a new signing key in the place of the old one; the old one hands over on the record."""
    from emeritus.wiring import replace_lost_key, rotate_key

    by = home.actor()
    if lost:
        quiet_logs()
        entry = replace_lost_key(home.settings(), by=by, reason=reason)
    else:
        with home.open() as house:
            entry = rotate_key(house, by=by, reason=reason)
    click.secho(f"Entry {entry.seq}: from here on the record is signed by", fg="green")
    click.echo(entry.body["new"])
    click.echo(
        "Publish it wherever the old one stood, and keep a copy of record.key where only you can read it."
    )
    if lost:
        click.echo(
            "Nobody can follow from the old key to this one: tell those who verify, by another way than the site."
        )


@command.command()
@click.pass_obj
def witness(home: Home) -> None:
    """Have the witnesses of the settings cosign the newest checkpoint."""
    with home.open() as house:
        named = [Witness.parse(text) for text in house.settings.witnesses]
        if not named:
            raise InvalidInput(
                "No witness is named in the settings.",
                next_step="Add to settings.toml: witnesses = ['NAME+ID+KEY https://HOST'].",
            )
        faults = []
        for each in named:
            try:
                signed = ask(house.works.read, house.works.write, each, http_post)
                click.echo(f"{each.key.name} cosigned {signed.size} entries.")
            except EmeritusError as why:
                click.secho(f"{each.key.name}: {why.sentence}", fg="red", err=True)
                faults.append(why)
    if faults:
        raise max(faults, key=lambda why: isinstance(why, IntegrityError))


@command.command()
@click.pass_obj
def timestamp(home: Home) -> None:
    """Have the authority of the settings timestamp the newest checkpoint (RFC 3161)."""
    from emeritus.store.timestamps import Timestamps

    with home.open() as house:
        authority = _authority(house.settings)
        if authority is None:
            raise InvalidInput(
                "No authority is named in the settings.",
                next_step="Add timestamp_authority (an address) and timestamp_roots (a PEM file) to settings.toml.",
            )
        stamps = Timestamps(house.settings.home / "timestamps")
        with house.works.read() as work:
            note = work.log.signed_checkpoint()
        at = stamps.ask(note, authority, http_post)
    click.echo(f"There at {at:%Y-%m-%d %H:%M:%S} UTC, says {authority.url}.")


def _authority(settings: "Settings") -> "Authority | None":
    from emeritus.store.timestamps import Authority

    if settings.timestamp_authority and settings.timestamp_roots:
        return Authority(settings.timestamp_authority, settings.home / settings.timestamp_roots)
    return None


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
@click.option("--witnessed", is_flag=True, help="The newest one that a witness cosigned.")
@click.pass_obj
def checkpoint(home: Home, witnessed: bool) -> None:
    """Print the newest signed checkpoint."""
    with home.open() as house, house.works.read() as work:
        note = work.log.cosigned_checkpoint() if witnessed else work.log.signed_checkpoint()
    if note is None:
        raise NotFound("No witness has cosigned yet.", next_step="Run `emeritus record witness`.")
    click.echo(note, nl=False)


@command.command()
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def export(home: Home, folder: Path, as_json: bool) -> None:
    """Write all that is public and can be checked as plain files, for anybody to host; again, to bring it up to date."""
    from emeritus.process.export import export as write

    with home.open() as house:
        done = write(house.works.read, folder)
    if as_json:
        say_json({name: getattr(done, name) for name in ("size", "written", "kept", "removed")})
        return
    click.secho(f"{folder} has the record of {done.size} entries, and what it points to.", fg="green")
    click.echo(f"{done.written} files written, {done.kept} kept, {done.removed} removed.")
    click.echo(f"Anybody checks it with: emeritus verify {folder}")
