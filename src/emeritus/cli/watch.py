"""`emeritus watch`: remember checkpoints, and cry out when history changed."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from emeritus.cli.verify import key_option, known_option, shown, trust, warn
from emeritus.core.clock import SystemClock
from emeritus.record import VerifyKey
from emeritus.record.source import Source, open_source
from emeritus.record.watch import Memory, fingerprint
from emeritus.record.watch import watch as look


def _state() -> Path:
    folder = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(folder).expanduser() / "emeritus" / "watched.jsonl"


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What was seen, line by line. [default: ~/.local/state/emeritus/watched.jsonl]",
)
@key_option
@click.option("-v", "--verbose", is_flag=True, help="Say something when all is well, too.")
@known_option
def command(
    urls: tuple[str, ...], state: Path | None, keys: tuple[str, ...], verbose: bool, known: Path | None
) -> None:
    """Look at the record of a site, and hold it against all that was seen there before; for cron.

    Several addresses are mirrors of one record, and are held against each other. Silent when all is well.
    Exit code 6, with a message on standard error, when history was rewritten, forked or cut, time went back,
    or the key changed without a rotation; the signed notes are kept as evidence. Exit code 7 when nobody answers.
    """

    def believe(source: Source) -> Sequence[VerifyKey]:
        trusted, new = trust(source, keys, known)
        if new:
            warn(source, trusted[0], known)
        return trusted

    found = look([open_source(url) for url in urls], Memory(state or _state()), believe, SystemClock().now())
    for alarm in found.alarms:
        click.secho(f"{alarm.id}: ", fg="red", bold=True, err=True, nl=False)
        click.echo(f"{shown(alarm.place)}: {shown(alarm.sentence)}", err=True)
    for path in found.evidence:
        click.echo(f"  → kept as evidence: {path}", err=True)
    if verbose:
        for seen in found.seen:
            click.echo(f"{seen.place}: {fingerprint(seen.checkpoint)}")
    if found.alarms:
        raise click.exceptions.Exit(6)
    for why in found.away[1:]:
        click.echo(shown(why.sentence), err=True)
    if found.away:
        raise found.away[0]
