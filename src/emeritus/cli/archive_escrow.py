"""`emeritus archive sign | escrow | check-escrow | erase`: what leaves the house, and the one way to give weights up."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emeritus.cli.house import Home, say_json, size
from emeritus.cli.progress import Bars
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.wording import count

if TYPE_CHECKING:
    from emeritus.process.signing import Signed
    from emeritus.wiring import House

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("model")
@click.option("--to", "target", type=_FOLDER, required=True, help="Where model.sig and model.pub.pem go.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def sign(home: Home, model: str, target: Path, as_json: bool) -> None:
    """Sign MODEL's files for OpenSSF Model Signing; no weights are read for that.

    FOLDER may be the one into which the model is, or was, restored.
    """
    with home.open() as house:
        signed, signature, key = write_signature(house, model, target)
    if as_json:
        told = {"model": model, "manifest": signed.manifest, "signature": signature, "key": key}
        say_json({**told, "key_sha256": signed.key.hint})
        return
    click.echo(f"{signature} is the signature of {model}; {key} checks it:")
    click.echo(f"  model_signing verify key FOLDER --signature {signature} --public_key {key}")
    click.echo(f"The key stands on the record (key.adopted) as {signed.key.hint}.")


def write_signature(house: "House", model: str, target: Path) -> "tuple[Signed, Path, Path]":
    """Write the model signature and its key into the folder *target*; return them and where they are."""
    from emeritus.archive.signing import BESIDE
    from emeritus.process.signing import sign_model

    signed = sign_model(house.parts, model)
    target.mkdir(parents=True, exist_ok=True)
    signature, key = (target / name for name in BESIDE)
    for path in (signature, key):
        if path.name in signed.names and path.exists():
            raise Conflict(
                f"{model} has a file of its own called {path.name}, and it lies in {target}.",
                next_step="Have the signature written into another folder: emeritus archive sign --to.",
            )
    signature.write_bytes(signed.signature)
    key.write_bytes(signed.key.pem)
    return signed, signature, key


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--to", "target", type=_FOLDER, required=True, help="A folder that is not there yet.")
@click.option("--plain", is_flag=True, help="Restored files instead of the archive's objects: larger.")
@click.option("--recipient", default="", help="Who gets it, for the public record.")
@click.option("--estimate", "only_estimate", is_flag=True, help="Say how large it will be; write nothing.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def escrow(
    home: Home,
    models: tuple[str, ...],
    target: Path,
    plain: bool,
    recipient: str,
    only_estimate: bool,
    as_json: bool,
) -> None:
    """Put all that remains of MODELS into one signed folder that outlasts this house.

    Weights, interview, decisions, essays and the record's entries with their proofs: a bag as librarians use
    them (RFC 8493), with a README for people and scripts that restore and check without Emeritus. It
    appears when it is whole; broken off, the same command goes on.
    """
    from emeritus.process import escrow as process
    from emeritus.store.blobs import FolderBlobs

    order = process.Order(models, target, plain, recipient.strip())
    by = home.actor()
    with Bars() as bars, home.open(watch=bars.watch) as house:
        told = process.estimate(house.parts, order, by=by)
        if only_estimate:
            facts = None
        else:
            if not as_json:
                click.echo(f"About {size(told.weights)} of weights; {size(told.free)} are free.", err=True)
            facts = process.make(house.parts, order, house.key.verify_key, FolderBlobs, by=by)
    if as_json:
        say_json(
            {
                "weights_bytes": told.weights,
                "free_bytes": told.free,
                **(
                    {"path": facts.path, "bag": facts.digest, "files": facts.files, "bytes": facts.size}
                    if facts
                    else {}
                ),
            }
        )
    elif facts is None:
        click.echo(
            f"About {size(told.weights)} of weights and a few pages; {size(told.free)} are free there."
        )
    else:
        click.secho(f"{facts.path} is whole: {facts.files} files, {size(facts.size)}.", fg="green")
        click.echo(f"Its digest {facts.digest} is on the record. Keep the key where people will find it:")
        click.echo(f"  {house.key.verify_key}")
        click.echo(f"Anybody checks it with: emeritus archive check-escrow {facts.path}")


@click.command(name="check-escrow")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--key", "known", default="", help="The organisation's key as you know it: name+id+base64.")
@click.option("--json", "as_json", is_flag=True)
def check_escrow(folder: Path, known: str, as_json: bool) -> None:
    """Check an escrow that somebody was given; no house is needed.

    Reads every file, restores the weights in memory, follows the record's proofs and the signature.
    """
    from attrs import asdict

    from emeritus.archive.escrow import check
    from emeritus.record import VerifyKey
    from emeritus.store.blobs import FolderBlobs

    key = VerifyKey.parse(known) if known else None
    with Bars() as bars:
        report = check(
            folder,
            FolderBlobs,
            key=key,
            progress=lambda done, total, what: bars.watch("check", folder.name, done, total, what),
        )
    if as_json:
        say_json({**asdict(report), "is_sound": report.is_sound})
    for finding in report.findings:
        click.secho(f"{finding.where}: {finding.what}", fg="red", err=True)
    if not report.is_sound:
        click.echo(f"{folder} is not what it should be: {count(len(report.findings), 'finding')}.", err=True)
        raise click.exceptions.Exit(6)
    if not as_json:
        click.secho(
            f"{folder} is sound: {', '.join(report.models)}; {report.files} files, {size(report.size)}.",
            fg="green",
        )
        click.echo(f"Made by {report.organisation}, signed by {report.key}")
        if key is None:
            click.echo("Compare that key with what the organisation published elsewhere, or give it: --key.")


@click.command()
@click.argument("model")
@click.option("--ground", default="", help="The legal ground, of a closed list.")
@click.option("--reference", default="", help="What it rests on: file number and date, article of the law.")
@click.option("--reason", default="", help="Why there is no other way, for the public.")
@click.option("--confirm", "does_confirm", is_flag=True, help="Confirm it, as a second person. It is final.")
@click.option("--withdraw", "does_withdraw", is_flag=True, help="Take back a proposal.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def erase(
    home: Home,
    model: str,
    ground: str,
    reference: str,
    reason: str,
    does_confirm: bool,
    does_withdraw: bool,
    as_json: bool,
) -> None:
    """Erase MODEL's weights because the law demands it; two people decide, on the record.

    With a ground, a reference and a reason, a steward proposes it. Another person repeats the ground
    with --confirm; then the weights go. Without options: say what it would come to, or go on with what was
    decided. What the model said is never touched.
    """
    from emeritus import registry

    if does_confirm and does_withdraw:
        raise InvalidInput("Either confirm it or withdraw it.", next_step="Leave one of them out.")
    with Bars() as bars, home.open(watch=bars.watch) as house:
        if does_withdraw:
            with house.works.write() as work:
                registry.withdraw_erasure(work.log, model, reason=reason, by=home.actor())
        elif does_confirm:
            with house.works.write() as work:
                registry.confirm_erasure(work.log, model, ground=ground, reason=reason, by=home.actor())
        elif ground or reference or reason:
            with house.works.write() as work:
                registry.propose_erasure(
                    work.log, model, ground=ground, reference=reference, reason=reason, by=home.actor()
                )
        told = _erasure(house, model)
    if as_json:
        say_json(told)
        return
    for line in _erasure_lines(model, told):
        click.echo(line)


def _erasure(house: "House", model: str) -> dict[str, Any]:
    """Carry out what is decided, and tell where it stands."""
    from emeritus import registry
    from emeritus.process import erase as process

    with house.works.read() as work:
        erased = registry.get_model(work.log, model).erased
        proposed = registry.proposal(work.log, model)
    if erased is not None:
        while process.stride(house.parts, model):
            pass
        with house.works.read() as work:
            done = process.completed(work, model)
        return {
            "state": "erased",
            "ground": erased.ground,
            "proposed_by": erased.proposed_by.name,
            "confirmed_by": erased.by.name,
            "entry": erased.entry,
            "completed": done.seq if done else None,
            "copies_elsewhere": process.beyond_reach(house.parts, model),
            "replicas_left": [str(each) for each in process.not_reached(house.parts, model)],
        }
    would = process.consider(house.parts, model)
    return {
        "state": "proposed" if proposed else "kept",
        "ground": str(proposed.ground) if proposed else None,
        "proposed_by": proposed.by.name if proposed else None,
        "entry": proposed.entry if proposed else None,
        "objects": len(would.survey.goes),
        "bytes": would.survey.bytes,
        "kept_for_others": len(would.survey.stays),
        "dependents": {name: len(found) for name, found in would.survey.dependents.items()},
        "copies_elsewhere": would.escrowed,
        "replicas_by_hand": [str(each) for each in would.by_hand],
        "source": would.source,
    }


def _erasure_lines(model: str, told: dict[str, Any]) -> Iterator[str]:
    from emeritus.registry import Ground

    if told["state"] == "erased":
        yield f"The weights of {model} are erased ({told['ground']}): entry {told['entry']}, done in {told['completed']}."
        yield f"Decided by {told['proposed_by']} and {told['confirmed_by']}. What it said is kept."
    else:
        yield (
            f"Erasing {model} would remove {told['objects']} objects, {size(told['bytes'])}; "
            f"{told['kept_for_others']} more are other models' own and stay."
        )
        for name, count in told["dependents"].items():
            yield f"  {name} is built on {count} of them: these are encoded anew, read back and compared first."
        if told["source"]:
            yield f"  Not touched: {told['source']}, where the weights came from."
        if told["state"] == "kept":
            yield "Nothing is proposed. Grounds: " + ", ".join(Ground) + "."
        else:
            yield (
                f"{told['proposed_by']} proposed it ({told['ground']}, entry {told['entry']}); another person confirms: "
                f"emeritus --as NAME archive erase {model} --confirm --ground {told['ground']} --reason '…'"
            )
    for replica in told.get("replicas_by_hand", ()):
        yield f"  A replica made by hand holds it: {replica}. Have it within reach, so that it goes there too."
    for replica in told.get("replicas_left", ()):
        yield f"  A replica made by hand was not reached: {replica}. Clear it by hand, or destroy it."
    for copy in told["copies_elsewhere"]:
        yield f"  A copy is with {copy}: ask for its destruction; nobody here can do it."
    yield "  Backups of the archive hold it too, and what was copied without Emeritus: see to them."


commands = (sign, escrow, check_escrow, erase)
