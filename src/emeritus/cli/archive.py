"""`emeritus archive`: preserve models, look into the archive, check it, restore from it."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emeritus.cli import archive_escrow, archive_family, archive_keeping
from emeritus.cli.house import Home, say_json, size
from emeritus.cli.progress import Bars
from emeritus.core.wording import count
from emeritus.process.preserve import manifest_of, preserve_now

if TYPE_CHECKING:
    from emeritus.archive import Cost


@click.group()
def command() -> None:
    """Preserve models, look into the archive, check it, and restore from it."""


@command.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def ls(home: Home, as_json: bool) -> None:
    """List preserved models: bytes, what they are stored as, what they build on, what builds on them.

    STORED counts every object that a model needs; several models may need the same ones (see `cost`).
    """
    from emeritus.archive import Catalogue, stored_sizes
    from emeritus.registry import all_models

    with home.open() as house:
        with house.works.read() as work:
            kept = {model.id: model for model in all_models(work.log) if model.manifest and not model.erased}
        catalogue = Catalogue.read(house.parts.blobs)
        costs = catalogue.costs(stored_sizes(house.parts.blobs, catalogue.objects))
    found = {(cost.manifest.model, cost.manifest.digest): cost for cost in costs}
    rows = [(model, found.get((model.id, str(model.manifest)))) for model in kept.values()]
    if as_json:
        say_json(
            [
                {
                    "id": model.id,
                    "manifest": model.manifest,
                    "bytes": cost.manifest.size if cost else None,
                    "stored_bytes": cost.alone if cost else None,
                    "marginal_bytes": cost.marginal if cost else None,
                    "ratio": ratio(cost.manifest.size, cost.alone) if cost else None,
                    "needs": cost.needs if cost else [],
                    "needed_by": cost.needed_by if cost else [],
                    "proven_at": model.proven_at,
                }
                for model, cost in rows
            ]
        )
        return
    if not rows:
        click.echo("No model is preserved yet. Next: emeritus archive add PATH --model ID")
    for model, cost in rows:
        if cost is None:
            click.secho(
                f"{model.id:32} its manifest {model.manifest} is not in the store", fg="red", err=True
            )
            continue
        click.echo(_line(cost))


def _line(cost: "Cost") -> str:
    whole = cost.manifest.size
    line = f"{cost.manifest.model:32} {size(whole):>10} stored as {size(cost.alone):>10}"
    line += f"  ({ratio(whole, cost.alone):.3f} : 1)"
    if cost.needs:
        line += f", {size(cost.marginal)} its own  builds on {', '.join(cost.needs)}"
    if cost.needed_by:
        line += f"  shares with {', '.join(cost.needed_by)}"
    return line


def ratio(whole: int, stored: float) -> float:
    """Return how many times smaller *stored* is; 0 when nothing is stored."""
    return whole / stored if stored else 0.0


@command.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--model", "model_id", metavar="ID", help="Whose weights these are. [default: the name of PATH]"
)
@click.option("--base", metavar="ID", help="A preserved model to store them as a difference from.")
@click.option(
    "--profile",
    type=click.Choice(["dense", "fast"]),
    help="As small as can be, or quicker to restore. [default: by who may reach the model]",
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def add(
    home: Home, path: Path | None, model_id: str | None, base: str | None, profile: str | None, as_json: bool
) -> None:
    """Preserve the weights at PATH now, without waiting for a retirement; prove it by restoring them.

    The model must be on the register (`emeritus model add`), with these weights: the record then says
    what was preserved, and when. Without PATH they are taken from where the register knows them to be.
    """
    from emeritus.archive import measure
    from emeritus.core.errors import InvalidInput

    if path is None and model_id is None:
        raise InvalidInput(
            "There is nothing to archive.", next_step="Give the path of the weights, or --model ID, or both."
        )
    named = model_id or (path.stem if path and path.is_file() else path.name if path else "")
    with Bars() as bars, home.open(watch=bars.watch) as house:
        manifest = preserve_now(
            house.parts,
            named if model_id else named.lower(),
            by=home.actor(),
            path=path,
            base=base,
            profile=profile,  # type: ignore[arg-type]
        )
        stored = measure(manifest, house.parts.blobs)
    if as_json:
        say_json(
            {
                "id": manifest.model,
                "manifest": manifest.digest,
                "bytes": manifest.size,
                "stored_bytes": stored,
                "ratio": ratio(manifest.size, stored),
                "differences": len(manifest.bases),
            }
        )
        return
    click.secho(
        f"{manifest.model} is preserved and proven: {size(manifest.size)} stored as {size(stored)} "
        f"({ratio(manifest.size, stored):.3f} : 1).",
        fg="green",
    )


@command.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def verify(home: Home, model: str, as_json: bool) -> None:
    """Read every object of MODEL back and check it."""
    from attrs import asdict

    from emeritus import archive
    from emeritus.process.stages import HAND_OUT

    with Bars() as bars, home.open() as house:
        with house.works.read() as work:
            manifest = manifest_of(work.log, house.parts, model)
        report = archive.verify(
            manifest, house.parts.blobs, progress=functools.partial(bars.watch, "verify", model)
        )
        if report.is_sound:  # what a download met is mended
            with house.works.write() as work:
                work.failures.clear(HAND_OUT, model)
    if as_json:
        say_json({**asdict(report), "is_sound": report.is_sound})
    for damage in report.damage:
        click.secho(f"{damage.id}: {damage.sentence}", fg="red", err=True)
    if not report.is_sound:
        click.echo(f"{model} is damaged: {count(len(report.damage), 'finding')}.", err=True)
        raise click.exceptions.Exit(6)
    if not as_json:
        click.secho(f"{model} is sound: {report.objects} objects, {size(report.raw_bytes)}.", fg="green")


@command.command()
@click.argument("model")
@click.option("--to", "target", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--signed", "signs", is_flag=True, help="Put model.sig and the key for it beside the files.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def restore(home: Home, model: str, target: Path, signs: bool, as_json: bool) -> None:
    """Write MODEL's files, bit for bit, into a folder."""
    from emeritus import archive

    with Bars() as bars, home.open() as house:
        with house.works.read() as work:
            manifest = manifest_of(work.log, house.parts, model)
        paths = archive.restore(
            manifest, house.parts.blobs, target, progress=functools.partial(bars.watch, "restore", model)
        )
        if signs:
            archive_escrow.write_signature(house, model, target)
    if as_json:
        say_json(
            [
                {"path": str(path), "bytes": file.size, "sha256": file.sha256}
                for path, file in zip(paths, manifest.files, strict=True)
            ]
        )
        return
    for path, file in zip(paths, manifest.files, strict=True):
        click.echo(f"{path}  {size(file.size)}  sha256 {file.sha256.removeprefix('sha256:')}")


# Commands that live in files of their own.
for each in (*archive_family.commands, *archive_keeping.commands, *archive_escrow.commands):
    command.add_command(each)
