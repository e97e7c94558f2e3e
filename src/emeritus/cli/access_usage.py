"""`emeritus access usage | dependants`: what each key used of each model, and who still depends on one."""

from datetime import UTC as UTC_ZONE
from datetime import datetime, time, timedelta

import click

from emeritus.cli.house import Home, day, say_json, size
from emeritus.core.clock import parse_date


@click.command()
@click.option("--model", help="Of this model alone.")
@click.option("--of", "holder", metavar="HOLDER", help="By the keys of this member or grant alone.")
@click.option("--since", metavar="DATE", help="In calls that began on that day (UTC) or later.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def usage(home: Home, model: str | None, holder: str | None, since: str | None, as_json: bool) -> None:
    """Show what each key used of each model. A call counts from the moment at which it was let in."""
    begin = None if since is None else datetime.combine(parse_date(since), time(), UTC_ZONE)
    with home.open() as house, house.works.read() as work:
        known = {key.id: key.holder for key in work.keys.all()}
        keys = None if holder is None else [key.id for key in work.keys.of(holder)]
        found = work.usage.by_key(model=model, keys=keys, since=begin)
    if as_json:
        say_json(
            [
                {
                    "key": each.key_id,
                    "holder": known.get(each.key_id),
                    "model": each.model,
                    "requests": each.totals.requests,
                    "tokens_in": each.totals.tokens_in,
                    "tokens_out": each.totals.tokens_out,
                    "engine_seconds": each.totals.seconds,
                    "bytes_of_weights": each.totals.bytes_out,
                    "last_at": each.last_at,
                }
                for each in found
            ]
        )
        return
    if not found:
        click.echo("Nothing was used.")
        return
    click.echo(
        f"{'holder':34} {'model':28} {'calls':>8} {'tokens in':>11} {'tokens out':>11} {'seconds':>9}  last"
    )
    for each in found:
        took = each.totals
        weights = f"  {size(took.bytes_out)} of weights" if took.bytes_out else ""
        click.echo(
            f"{known.get(each.key_id, each.key_id):34} {each.model:28} {took.requests:8} {took.tokens_in:11} "
            f"{took.tokens_out:11} {took.seconds:9.1f}  {day(each.last_at)}{weights}"
        )


@click.command()
@click.argument("model")
@click.option(
    "--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="Used within so many."
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def dependants(home: Home, model: str, days: int, as_json: bool) -> None:
    """Show who still uses MODEL or has a grant for it, and how each is reached. This is private.

    Each is told when a retirement is announced, and again before the last day.
    """
    from emeritus.access.dependants import dependants as who_depends
    from emeritus.access.standing import standing
    from emeritus.process import applying, tell
    from emeritus.registry import get_model

    with home.open() as house, house.works.read() as work:
        get_model(work.log, model)
        now = house.clock.now()
        found = who_depends(
            standing(work.log), work.keys, work.usage, model, now, lately=timedelta(days=days)
        )
        told = [(each, applying.called(work, each), tell.ways(work, each)) for each in found.known]
    if as_json:
        say_json(
            [
                {
                    "holder": each.holder,
                    "name": name,
                    "calls": each.calls,
                    "tokens": each.tokens,
                    "last_at": each.last_at,
                    "granted": each.granted,
                    "mail": ways.mail,
                    "webhook": ways.webhook,
                }
                for each, name, ways in told
            ]
        )
        return
    for each, name, ways in told:
        how = " and ".join(way for way in (ways.mail, ways.webhook) if way) or "no way to tell them"
        used = f"{each.calls} calls, last {day(each.last_at)}" if each.last_at else "granted, not used lately"
        click.echo(f"{each.holder:34} {name:24} {used}; {how}")
    if not told:
        click.echo(f"Nobody depends on {model}.")
    if found.without_key:
        click.echo(f"{found.without_key} calls came without a key.")


commands = (usage, dependants)
