"""`emeritus verify`: what a stranger checks, without a house."""

import os
from pathlib import Path

import click

from emeritus.cli.house import say_json
from emeritus.core.errors import InvalidInput
from emeritus.process.verify import Verdict, check, target_of
from emeritus.record import VerifyKey
from emeritus.record.pins import Pins
from emeritus.record.source import Source, open_source


def known_keys() -> Path:
    """Return where keys that were seen first are remembered."""
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "emeritus" / "known-keys"


known_option = click.option(
    "--known",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="EMERITUS_KNOWN_KEYS",
    help="The file of keys that were seen first. [default: ~/.config/emeritus/known-keys]",
)
key_option = click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="NAME+ID+KEY",
    help="The record's key as you know it, the first one; give it again for one that replaced a lost key.",
)


@click.command()
@click.argument("target")
@key_option
@click.option("--record", metavar="URL|FOLDER", help="The record that weights are held against.")
@click.option("--proof", is_flag=True, help="Print everything that shows it.")
@click.option("--json", "as_json", is_flag=True)
@known_option
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    keys: tuple[str, ...],
    record: str | None,
    proof: bool,
    as_json: bool,
    known: Path | None,
) -> None:
    """Check TARGET from the record's key alone: no house is needed, and nothing is believed.

    TARGET is the address of an essay, an interview, a report, a model, an entry or a whole site; the folder
    of an exported site or a page in it; an escrow; or a folder with restored weights (with --record). Without
    --key the key that is seen first is remembered, and has to stay.
    """
    wanted = target_of(target)
    if wanted.kind == "escrow":
        _escrow(ctx, target, keys, as_json)
        return
    held = open_source(record) if record else None
    source = wanted.source or held
    if source is None:
        raise InvalidInput(
            f"{target} is held against a record, and none is named.",
            next_step="Name the site of the house, or a copy of it: --record https://HOST.",
        )
    trusted, new = trust(source, keys, known)
    verdict = check(wanted, trusted, held)
    if as_json:
        say_json({**verdict.json(), "key_is_new": new})
    else:
        _say(verdict, proof=proof)
    if new:
        warn(source, trusted[0], known)
    if not verdict.is_sound:
        raise click.exceptions.Exit(6)


def trust(source: Source, keys: tuple[str, ...], known: Path | None) -> tuple[list[VerifyKey], bool]:
    """Return the keys to believe, and whether nobody vouches for them yet."""
    if keys:
        return [VerifyKey.parse(text) for text in keys], False
    return Pins(known or known_keys()).trusted(source)


def warn(source: Source, key: VerifyKey, known: Path | None) -> None:
    """Say that a key is believed for the first time."""
    click.echo(
        f"Seen for the first time at {source.place}, and remembered in {known or known_keys()}: {key}\n"
        "Compare it with what the organisation publishes elsewhere, or give it: --key.",
        err=True,
    )


def shown(text: str) -> str:
    """Return *text* from outside without what a terminal would act on."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def _say(verdict: Verdict, *, proof: bool) -> None:
    click.secho(shown(verdict.sentence), fg="green" if verdict.is_sound else "red")
    if len(verdict.findings) > 1:
        for finding in verdict.findings:
            click.echo(shown(f"  {finding.where}: {finding.what}"))
    if not proof:
        return
    for name, digest in verdict.digests.items():
        click.echo(f"\n{name}: {digest}")
    for proven in verdict.entries:
        told = proven.json()
        click.echo(f"\nEntry {told['seq']}, leaf {told['leaf']}\n{shown(told['entry'])}")
        for part in told["path"]:
            click.echo(f"  {part}")
    click.echo(f"\nKey in force: {verdict.key}\n\n{verdict.checkpoint}", nl=False)


def _escrow(ctx: click.Context, target: str, keys: tuple[str, ...], as_json: bool) -> None:
    from emeritus.cli.archive_escrow import check_escrow

    if len(keys) > 1:
        raise InvalidInput(
            "An escrow is checked with one key.", next_step="Give the organisation's key alone."
        )
    ctx.invoke(check_escrow, folder=Path(target), known="".join(keys), as_json=as_json)
