"""`emeritus archive diff | cost | rebase | prune`: models beside each other, and what they share."""

import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from emeritus.cli.house import Home, say_json, size
from emeritus.cli.progress import Bars
from emeritus.process.preserve import manifest_of

if TYPE_CHECKING:
    from emeritus.archive import Difference


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--all", "everything", is_flag=True, help="Name identical tensors too.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def diff(home: Home, a: str, b: str, everything: bool, as_json: bool) -> None:
    """Tell which tensors differ between the preserved models A and B, and by how much.

    A share of changed numbers; the largest and the mean distance; and the largest distance in ulps, which
    are steps from one representable number to the next.
    """
    from attrs import asdict

    from emeritus.archive import compare

    with Bars() as bars, home.open() as house:
        with house.works.read() as work:
            one, two = (manifest_of(work.log, house.parts, name) for name in (a, b))
        watch = functools.partial(bars.watch, "diff", f"{a} {b}")
        found = [
            each
            for each in compare(one, two, house.parts.blobs, progress=watch)
            if as_json or everything or each.verdict != "identical"
        ]
    if as_json:
        say_json({"a": a, "b": b, "tensors": [{**asdict(each), "share": each.share} for each in found]})
        return
    for each in found:
        click.echo(_told(each))
    total = len(one.tensors)
    differing = sum(each.verdict in ("changed", "reshaped") for each in found)
    lone = sum(each.verdict.startswith("only") for each in found)
    click.echo(f"{differing} of {total} tensors differ; {lone} are in one of the two only.")


def _told(each: "Difference") -> str:
    line = f"{each.name:56} {each.dtype:6} {each.verdict:10}"
    if each.verdict == "reshaped":
        return f"{line} {list(each.shape)} in A, {each.other} in B"
    if each.verdict == "changed":
        line += f" {100 * each.share:7.3f} %"
        if each.largest is not None and each.mean is not None:
            line += f"  largest {each.largest:.3g}, mean {each.mean:.3g}"
        if each.ulps is not None:
            line += f", {each.ulps} ulps"
    return line


@click.command()
@click.option(
    "--price", type=float, metavar="AMOUNT", help="What a gigabyte costs for a month; tells the price."
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def cost(home: Home, price: float | None, as_json: bool) -> None:
    """Tell what each preserved model costs: alone, its share of what models share, and on top of the others.

    The last figure is what the store would be smaller by without the model.
    """
    from emeritus.archive import Catalogue, stored_sizes

    with home.open() as house:
        catalogue = Catalogue.read(house.parts.blobs)
        sizes = stored_sizes(house.parts.blobs, catalogue.objects)
    costs = catalogue.costs(sizes)
    whole, stored = sum(each.manifest.size for each in costs), sum(sizes.values())

    def priced(count: float) -> float | None:
        return None if price is None else count / 1e9 * price

    if as_json:
        models: list[dict[str, Any]] = [
            {
                "id": each.manifest.model,
                "manifest": each.manifest.digest,
                "bytes": each.manifest.size,
                "alone_bytes": each.alone,
                "share_bytes": each.share,
                "marginal_bytes": each.marginal,
                "marginal_price": priced(each.marginal),
                "share_price": priced(each.share),
                "kinds": [
                    {"container": k.container, "dtype": k.dtype, "bytes": k.raw, "stored_bytes": k.stored}
                    for k in each.kinds
                ],
            }
            for each in costs
        ]
        say_json({"bytes": whole, "stored_bytes": stored, "price": priced(stored), "models": models})
        return
    click.echo(f"{'':32} {'bytes':>10} {'alone':>10} {'share':>10} {'on top':>10}")
    for each in costs:
        figures = (each.manifest.size, each.alone, int(each.share), each.marginal)
        line = f"{each.manifest.model:32} " + " ".join(f"{size(figure):>10}" for figure in figures)
        if price is not None:
            line += f"  {priced(each.share):.4f} a month, {priced(each.marginal):.4f} on top"
        click.echo(line)
    told = f"{size(whole)} stored as {size(stored)}" + (f" ({whole / stored:.3f} : 1)" if stored else "")
    click.echo(f"{len(costs)} models: {told}" + (f", {priced(stored):.4f} a month." if price else "."))
    kinds: dict[tuple[str, str], tuple[int, int]] = {}
    for each in costs:
        for k in each.kinds:
            raw, kept = kinds.get((k.container, k.dtype), (0, 0))
            kinds[k.container, k.dtype] = raw + k.raw, kept + k.stored
    for (container, dtype), (raw, kept) in sorted(kinds.items(), key=lambda kind: -kind[1][0]):
        click.echo(f"  {container:12} {dtype:8} {size(raw):>10} stored as {size(kept):>10}")


@click.command()
@click.argument("model", required=False)
@click.option("--all", "everything", is_flag=True, help="Every preserved model.")
@click.option(
    "--depth", type=click.IntRange(0, 2), default=1, show_default=True, help="Bases below an object."
)
@click.option(
    "--profile", type=click.Choice(["dense", "fast"]), help="Encode all of it anew, in this profile."
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def rebase(
    home: Home, model: str | None, everything: bool, depth: int, profile: str | None, as_json: bool
) -> None:
    """Encode the objects of MODEL anew: so that none is a difference of a difference, or in another profile.

    Each object is read and compared first; what replaces it is read back and compared twice before it
    takes its place. Nothing that the record or a manifest says changes.
    """
    from attrs import asdict

    from emeritus import archive
    from emeritus.core.errors import InvalidInput
    from emeritus.registry import all_models

    if (model is None) != everything:
        raise InvalidInput("One model, or all?", next_step="Name a model, or give --all.")
    done = {}
    with Bars() as bars, home.open() as house:
        with house.works.read() as work:
            names = (
                [each.id for each in all_models(work.log) if each.manifest and not each.erased]
                if everything
                else [model or ""]
            )
            manifests = {name: manifest_of(work.log, house.parts, name) for name in names}
        for name, manifest in manifests.items():
            done[name] = archive.rebase(
                manifest,
                house.parts.blobs,
                depth=depth,
                profile=profile,  # type: ignore[arg-type]
                progress=functools.partial(bars.watch, "rebase", name),
            )
    if as_json:
        say_json({name: asdict(each) for name, each in done.items()})
        return
    for name, each in done.items():
        told = f"{each.rewritten} of {each.objects} objects written anew"
        click.echo(f"{name}: {told}, {size(each.before)} before, {size(each.after)} now.")


@click.command()
@click.option("--yes", "really", is_flag=True, help="Plan it, or carry out what was planned long enough ago.")
@click.option(
    "--grace", type=click.FloatRange(min=0), default=7.0, show_default=True, help="Days between the two."
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def prune(home: Home, really: bool, grace: float, as_json: bool) -> None:
    """Show stored objects that no model needs; with --yes, remove them, in two steps.

    The first time they are only planned for removal. What is still not needed after the days of grace is
    removed the next time. An ingest that is under way never loses an object by this.
    """
    from datetime import UTC, datetime

    from emeritus import archive
    from emeritus.core.clock import instant

    with Bars() as bars, home.open() as house:
        done = archive.prune(
            house.parts.blobs,
            house.clock,
            really=really,
            grace=timedelta(days=grace),
            progress=functools.partial(bars.watch, "prune", "objects"),
        )
    due = None if done.due is None else datetime.fromtimestamp(done.due, UTC)
    if as_json:
        say_json(
            {
                "unneeded": done.unneeded,
                "removed": done.removed,
                "drafts": done.drafts,
                "due": due and instant(due),
            }
        )
        return
    if done.removed:
        click.echo(f"Removed {len(done.removed)} objects, {size(sum(done.removed.values()))}.")
    left = {digest: length for digest, length in done.unneeded.items() if digest not in done.removed}
    if not left:
        click.echo("Every object in the store is needed.")
        return
    click.echo(f"{len(left)} objects are not needed by any model: {size(sum(left.values()))}.")
    if due is None:
        click.echo("Nothing was changed. Plan their removal with: emeritus archive prune --yes")
    else:
        click.echo(f"They may go from {instant(due)} on, with: emeritus archive prune --yes")


commands = (diff, cost, rebase, prune)
