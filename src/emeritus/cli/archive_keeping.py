"""`emeritus archive protect | scrub | replicate | repair`: nothing decays unseen, and what decays is mended."""

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from emeritus.cli.house import Home, say_json, size
from emeritus.cli.progress import Bars
from emeritus.core.errors import InvalidInput
from emeritus.core.people import SOFTWARE, Actor
from emeritus.core.wording import count

if TYPE_CHECKING:
    from emeritus.archive import Blobs
    from emeritus.archive.scrub import Named
    from emeritus.archive.scrub_state import Finding
    from emeritus.wiring import House

UNSOUND = 6
"""The exit code when something is not sound (and, for `repair`, stays so)."""
_SHOWN = 20

_all = click.option("--all", "everything", is_flag=True, help="Every preserved model.")
_rate = click.option(
    "--rate", type=click.IntRange(0), metavar="BYTES", help="Bytes a second, at most; 0: no bound."
)
_json = click.option("--json", "as_json", is_flag=True)


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@_all
@click.option("--percent", type=click.IntRange(1, 64), help="How much. [default: the setting `parity`]")
@click.option("--anew", is_flag=True, help="Also where there is some already.")
@_json
@click.pass_obj
def protect(
    home: Home, models: tuple[str, ...], everything: bool, percent: int | None, anew: bool, as_json: bool
) -> None:
    """Write parity for all objects of MODEL, which mends them without a replica.

    What other models are differences from has parity from the beginning.
    """
    from emeritus.archive import load, parity
    from emeritus.archive.facts import needed
    from emeritus.archive.parity_code import Code

    with Bars() as bars, home.open() as house:
        blobs = house.parts.blobs
        digests = {
            digest
            for model, manifest in _wanted(house, models, everything)
            for digest in needed(blobs, load(model, manifest, blobs, verify=house.parts.verify).objects)
        }
        done = parity.protect(
            blobs,
            digests,
            code=Code(parity=percent) if percent else house.parts.keeping.code,
            anew=anew,
            progress=functools.partial(bars.watch, "protect", "archive"),
        )
    if as_json:
        say_json(
            {
                "objects": done.objects,
                "new": done.new,
                "stored_bytes": done.stored_bytes,
                "parity_bytes": done.parity_bytes,
            }
        )
        return
    click.secho(
        f"{done.objects} objects are protected; parity was written for {done.new}: "
        f"{size(done.parity_bytes)} for {size(done.stored_bytes)}.",
        fg="green",
    )


@click.command()
@click.option("--decode", is_flag=True, help="Decode everything too, instead of checking stored digests.")
@click.option("--restart", is_flag=True, help="Begin at the beginning, not where the last one stopped.")
@click.option("--of", "other", metavar="URL|FOLDER", help="Read a replica instead; the record is not told.")
@_rate
@_json
@click.pass_obj
def scrub(
    home: Home, decode: bool, restart: bool, other: str | None, rate: int | None, as_json: bool
) -> None:
    """Read all of the archive and check it: objects, parity, manifests, signatures.

    It goes on where an earlier one stopped. What is found stands on the record.
    """
    from emeritus.archive import scrub_state
    from emeritus.archive.scrub import Pace
    from emeritus.archive.scrub import scrub as read
    from emeritus.process.keeping import expected, record_scrub

    with Bars() as bars, home.open() as house:
        with house.works.read() as work:
            wanted = expected(work.log)
        blobs = _open(other) if other else house.parts.blobs
        if restart:
            scrub_state.forget(blobs)
        done = read(
            blobs,
            expected=wanted,
            verify=house.parts.verify,
            decode=decode,
            pace=Pace(house.parts.keeping.rate if rate is None else rate),
            clock=house.clock,
            progress=functools.partial(bars.watch, "scrub", "archive"),
        )
        if not other:
            record_scrub(house.parts, done, _by(home))
        scrub_state.forget(blobs)
    told = f"{done.manifests} manifests, {done.objects} objects and {done.parity} parity files, {size(done.bytes)}"
    if as_json:
        say_json(
            {
                "sound": done.is_sound,
                "began": done.began,
                "ended": done.ended,
                "manifests": done.manifests,
                "objects": done.objects,
                "parity": done.parity,
                "bytes": done.bytes,
                "decoded": done.decoded,
                "found": done.found,
                "findings": [_told(each) for each in done.findings],
            }
        )
    elif done.is_sound:
        click.secho(f"Sound: {told}.", fg="green")
    else:
        _list(done.findings, done.found)
        click.echo(f"Damaged: {count(done.found, 'finding')} in {told}.", err=True)
        click.echo("  → Mend it: emeritus archive repair --all [--from URL]", err=True)
    if not done.is_sound:
        raise click.exceptions.Exit(UNSOUND)


@click.command()
@click.option(
    "--to", "targets", metavar="URL|FOLDER", multiple=True, help="[default: the setting `replicas`]"
)
@click.option("--thorough", is_flag=True, help="Read what is there already, and copy anew what has decayed.")
@_rate
@_json
@click.pass_obj
def replicate(home: Home, targets: tuple[str, ...], thorough: bool, rate: int | None, as_json: bool) -> None:
    """Copy what a second store lacks, manifests last. Broken off, it goes on the next time."""
    from emeritus.archive.scrub import Pace
    from emeritus.process.keeping import copy_to, expected

    told: list[dict[str, Any]] = []
    failed: list[Finding] = []
    with Bars() as bars, home.open(watch=bars.watch) as house:
        with house.works.read() as work:
            wanted = expected(work.log)
        for target in _targets(targets, house):
            done = copy_to(
                house.parts,
                target,
                _open(target),
                wanted,
                thorough=thorough,
                pace=Pace(house.parts.keeping.rate if rate is None else rate),
                by=_by(home),
            )
            failed += done.failed
            told.append(
                {
                    "to": target.partition("?")[0],
                    "models": done.manifests,
                    "models_new": done.manifests_new,
                    "objects_new": done.objects_new,
                    "bytes": done.bytes,
                    "parity_new": done.parity_new,
                    "failed": [_told(each) for each in done.failed],
                }
            )
    if as_json:
        say_json(told)
    else:
        for each in told:
            click.echo(
                f"{each['to']} holds {each['models']} models, {each['models_new']} of them new: "
                f"{each['objects_new']} objects copied, {size(each['bytes'])}."
            )
        _list(failed, len(failed))
    if failed:
        if not as_json:
            click.echo("What is damaged here was not copied.", err=True)
            click.echo("  → Mend it: emeritus archive repair --all", err=True)
        raise click.exceptions.Exit(UNSOUND)


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@_all
@click.option(
    "--from",
    "sources",
    metavar="URL|FOLDER",
    multiple=True,
    help="A replica to take from what parity cannot give back. [default: the setting `replicas`]",
)
@_json
@click.pass_obj
def repair(
    home: Home, models: tuple[str, ...], everything: bool, sources: tuple[str, ...], as_json: bool
) -> None:
    """Read all that MODEL needs and put right what has decayed: from parity, else from a replica.

    Nothing takes the place of what is there before it was decoded and compared. What was mended, and what
    is lost, stands on the record.
    """
    from emeritus.process.keeping import mend

    with Bars() as bars, home.open(watch=bars.watch) as house:
        wanted = _wanted(house, models, everything)
        replicas = [_open(source) for source in sources or house.settings.replicas]
        done = mend(house.parts, wanted, replicas, by=_by(home))
    if as_json:
        say_json(
            {
                "sound": done.is_sound,
                "models": done.manifests,
                "objects": done.objects,
                "mended": [
                    {"path": each.path, "source": each.source, "was": each.sentence} for each in done.mended
                ],
                "lost": [_told(each) for each in done.lost],
            }
        )
    else:
        for each in done.mended[:_SHOWN]:
            click.echo(f"mended from {each.source:8} {each.path}")
        if len(done.mended) > _SHOWN:
            click.echo(f"… and {len(done.mended) - _SHOWN} more")
        _list(done.lost, len(done.lost))
        if done.is_sound:
            click.secho(f"Sound: {count(done.objects, 'object')}; {len(done.mended)} mended.", fg="green")
        else:
            click.echo(
                f"Beyond repair: {count(len(done.lost), 'file')}; {len(done.mended)} mended.", err=True
            )
            click.echo("  → Name another replica with --from, or archive those models again.", err=True)
    if not done.is_sound:
        raise click.exceptions.Exit(UNSOUND)


def _wanted(house: "House", models: Sequence[str], everything: bool) -> "list[Named]":
    from emeritus.process.keeping import expected
    from emeritus.process.preserve import manifest_of

    if bool(models) == everything:
        raise InvalidInput("Nothing says which models.", next_step="Name some, or give --all.")
    with house.works.read() as work:
        if everything:
            return expected(work.log)
        known = dict(expected(work.log))
        for model in models:
            if model not in known:
                manifest_of(work.log, house.parts, model)  # says why it is not there
        return [(model, known[model]) for model in models]


def _targets(targets: Iterable[str], house: "House") -> list[str]:
    found = list(targets) or list(house.settings.replicas)
    if not found:
        raise InvalidInput(
            "Nothing says where to copy to.",
            next_step="Give --to URL or --to FOLDER, or set `replicas` in settings.toml.",
        )
    return found


def _open(where: str) -> "Blobs":
    from emeritus.store.blobs import open_blobs

    return open_blobs(where)


def _by(home: Home) -> Actor:
    """Whoever is named does it; when nobody is, the software does what it does by itself, too."""
    return home.actor() if home.name else SOFTWARE


def _told(finding: "Finding") -> dict[str, Any]:
    return {
        "path": finding.path,
        "id": finding.id,
        "says": finding.sentence,
        "object": finding.object,
        "models": finding.models,
        "objects": finding.objects,
    }


def _list(findings: "Sequence[Finding]", found: int) -> None:
    for finding in findings[:_SHOWN]:
        click.secho(f"{finding.id}: {finding.sentence}", fg="red", err=True)
        if finding.models:
            click.echo(f"  needed by {', '.join(finding.models)}", err=True)
        if finding.objects:
            click.echo(f"  {len(finding.objects)} objects are differences from it", err=True)
    if found > _SHOWN:
        click.echo(f"… and {found - _SHOWN} more", err=True)


commands = (protect, scrub, replicate, repair)
