"""`emeritus interview design` and `close`: which sittings will be held, what they cost, how long they take."""

from collections.abc import Sequence

import click

from emeritus.cli.house import Home

MORE_AT_ONCE = 8


@click.command()
@click.argument("model")
@click.option(
    "--protocol", default="retirement-v1", show_default=True, help="One that is shipped, or a file."
)
@click.option("--framings", default="", metavar="A,B", help="[default: all for which everything is there]")
@click.option("--wordings", type=int, default=0, help="How many of its wordings. [default: all]")
@click.option("--orders", type=int, default=2, show_default=True, help="1, 2 or 4; they are counterbalanced.")
@click.option(
    "--cross-orders", is_flag=True, help="Every order in each repetition: so many times the sittings."
)
@click.option("--repeats", type=int, default=3, show_default=True)
@click.option("--temperatures", default="", metavar="T,T", help="A grid. [default: the protocol's own]")
@click.option(
    "--interviewer", default="", metavar="WHO", help="Who asks, in framings that name somebody else."
)
@click.option(
    "--patience",
    type=float,
    metavar="HOURS",
    help="How long sittings wait for you. [default: the protocol's]",
)
@click.option(
    "--parallel", type=click.IntRange(1), help="Sittings at a time. [default: 1 here, 8 with a price]"
)
@click.option(
    "--price", metavar="IN,OUT", help="What a remote asks for a million tokens, read and drawn, in USD."
)
@click.option("--no-measure", is_flag=True, help="Do not ask the engine how fast it is.")
@click.option("--dry-run", is_flag=True, help="Show it, and put nothing on the record.")
@click.pass_obj
def design(
    home: Home,
    model: str,
    protocol: str,
    framings: str,
    wordings: int,
    orders: int,
    cross_orders: bool,
    repeats: int,
    temperatures: str,
    interviewer: str,
    patience: float | None,
    parallel: int | None,
    price: str | None,
    no_measure: bool,
    dry_run: bool,
) -> None:
    """Plan the sittings of an interview: every framing, wording and repetition, with its seed, on the record.

    Shows the arms, and what they will take: measured on the engine of this house, or from a remote's price.
    """
    from emeritus import interviews
    from emeritus.interviews.design import Grid, check
    from emeritus.process import estimate, interviewing

    by = home.actor()
    asked = _numbers(price, "--price", 2) if price else []
    cost = estimate.Price(asked[0], asked[1]) if asked else None
    heats = tuple(_numbers(temperatures, "--temperatures")) if temperatures else (None,)
    with home.open() as house:
        script = interviews.load(protocol)
        with house.works.write() as work:
            proposal = interviewing.propose(house.parts, work, model, script, by=by, interviewer=interviewer)
            before = interviews.sittings(work.log, model)
            share = estimate.answered_share(work.utterances, before)
        chosen = tuple(filter(None, framings.split(","))) or proposal.possible
        grid = Grid(chosen, wordings or script.wordings, orders, repeats, heats, cross_orders)
        check(script, grid, proposal.told)
        here = proposal.model.remote is None
        at_once = parallel or (1 if here and cost is None else MORE_AT_ONCE)
        speed = None if no_measure or cost else estimate.measure(house.pool.speaker(model))
        planned = estimate.estimate(
            script,
            grid,
            proposal.told,
            parallel=at_once,
            share=share,
            speed=speed,
            price=cost,
            keeps=here and cost is None,
        )
        _show(script, grid, planned, proposal.missing if not framings else (), at_once)
        if grid.ties_orders and grid.wordings > 1:
            click.echo(
                "Within a framing each wording comes in one order only, so what an order does and what a wording "
                f"does cannot be told apart there: use --repeats {grid.orders + 1} or more, or --cross-orders."
            )
        if dry_run:
            return
        with house.works.write() as work:
            made = interviewing.design(
                house.parts,
                work,
                proposal,
                grid,
                by=by,
                site=house.settings.site_url,
                interviewer=interviewer,
                patience=patience,
            )
    click.echo(f"\n{made.id} is entry {made.entry} of the record. Next: emeritus interview run {model}")


def _numbers(text: str, option: str, count: int | None = None) -> list[float]:
    from emeritus.core.errors import InvalidInput

    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or (count is not None and len(found) != count) or not all(0 <= each < 1e6 for each in found):
        wanted = f"{count} numbers" if count else "numbers"
        raise InvalidInput(f"{option} takes {wanted}, with commas between.", next_step="Such as 0.5,1.")
    return found


def _show(script: "object", grid: "object", planned: "object", missing: Sequence[str], at_once: int) -> None:
    from rich.console import Console
    from rich.table import Table

    from emeritus.interviews.design import Grid, arms
    from emeritus.interviews.questions import Protocol
    from emeritus.process.estimate import Estimate

    assert isinstance(script, Protocol)
    assert isinstance(grid, Grid)
    assert isinstance(planned, Estimate)
    console = Console()
    table = Table(title=f"{script.title} ({script.name} {script.version})", title_justify="left")
    for name in ("framing", "title", "control", "sittings", "orders"):
        table.add_column(name, justify="right" if name == "sittings" else "left")
    planned_arms = arms(grid)
    for name in grid.framings:
        framing = script.framing(name)
        mine = [arm for arm in planned_arms if arm.framing == name]
        orders = ", ".join(
            f"{sum(arm.order == order for arm in mine)} × {order}" for order in range(grid.orders)
        )
        table.add_row(name, framing.title, "yes" if framing.control else "", str(len(mine)), orders)
    console.print(table)
    heats = ", ".join("the protocol's own" if heat is None else f"{heat:g}" for heat in grid.temperatures)
    click.echo(
        f"{planned.sittings} sittings: {len(grid.framings)} framings × {grid.wordings} wordings × "
        f"{grid.repeats} repeats × {len(grid.temperatures)} temperatures ({heats}); {at_once} at a time.\n"
        f"About {planned.turns} answers, {planned.tokens_in:,} tokens read and {planned.tokens_out:,} drawn "
        f"(answers take {planned.share:.0%} of their limit, "
        f"{'as in earlier sittings' if planned.share_is_measured else 'which is assumed'}); at most {planned.most_out:,}."
    )
    if planned.seconds is not None:
        click.echo(
            f"Time, as this engine was measured just now: about {_time(planned.seconds[0])}, at most {_time(planned.seconds[1])}."
        )
    else:
        click.echo("Time: not measured.")
    if planned.cost is not None:
        click.echo(f"Price: about {planned.cost[0]:.2f} USD, at most {planned.cost[1]:.2f} USD.")
    if missing:
        click.echo(
            f"Left out, since something they tell of is not there: {', '.join(missing)} (--interviewer names who asks)."
        )


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


@click.command()
@click.argument("design_id", metavar="DESIGN")
@click.option("--why", required=True, help="Why its other sittings are not held; public.")
@click.pass_obj
def close(home: Home, design_id: str, why: str) -> None:
    """Give up the sittings of a design that were not held."""
    from emeritus.interviews.design import close_design

    with home.open() as house, house.works.write() as work:
        entry = close_design(work.log, design_id, by=home.actor(), why=why)
    click.echo(f"{design_id} is closed; {len(entry.body['not_held'])} sittings are not held.")


commands = (design, close)
