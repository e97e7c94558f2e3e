"""`emeritus archive`: look into the archive, check it, restore from it."""

import functools
from pathlib import Path

import click

from emeritus.cli.house import Home, say_json, size
from emeritus.cli.progress import Bars
from emeritus.process.preserve import manifest_of


@click.group()
def command() -> None:
    """Look into the archive, check it, and restore from it."""


@command.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def ls(home: Home, as_json: bool) -> None:
    """List preserved models with their sizes."""
    from emeritus.registry import all_models

    with home.open() as house, house.works.read() as work:
        kept = [model for model in all_models(work.log) if model.manifest]
    if as_json:
        say_json(
            [
                {
                    "id": m.id,
                    "manifest": m.manifest,
                    "bytes": m.weights.size if m.weights else None,
                    "stored_bytes": m.stored_bytes,
                    "proven_at": m.proven_at,
                }
                for m in kept
            ]
        )
        return
    for model in kept:
        whole = model.weights.size if model.weights else 0
        ratio = whole / model.stored_bytes if model.stored_bytes else 0.0
        click.echo(
            f"{model.id:32} {size(whole):>10} stored as {size(model.stored_bytes):>10}  ({ratio:.3f} : 1)"
        )


@command.command()
@click.argument("model")
@click.pass_obj
def verify(home: Home, model: str) -> None:
    """Read every object of MODEL back and check it."""
    from emeritus import archive

    with Bars() as bars, home.open() as house:
        with house.works.read() as work:
            manifest = manifest_of(work.log, house.parts, model)
        report = archive.verify(
            manifest, house.parts.blobs, progress=functools.partial(bars.watch, "verify", model)
        )
    for damage in report.damage:
        click.secho(f"{damage.id}: {damage.sentence}", fg="red", err=True)
    if not report.is_sound:
        click.echo(f"{model} is damaged: {len(report.damage)} findings.", err=True)
        raise click.exceptions.Exit(6)
    click.secho(f"{model} is sound: {report.objects} objects, {size(report.raw_bytes)}.", fg="green")


@command.command()
@click.argument("model")
@click.option("--to", "target", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.pass_obj
def restore(home: Home, model: str, target: Path) -> None:
    """Write MODEL's files, bit for bit, into a folder."""
    from emeritus import archive

    with Bars() as bars, home.open() as house:
        with house.works.read() as work:
            manifest = manifest_of(work.log, house.parts, model)
        paths = archive.restore(
            manifest, house.parts.blobs, target, progress=functools.partial(bars.watch, "restore", model)
        )
    for path, file in zip(paths, manifest.files, strict=True):
        click.echo(f"{path}  {size(file.size)}  sha256 {file.sha256.removeprefix('sha256:')}")
