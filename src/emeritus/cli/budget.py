"""`emeritus budget`: what one steward may decide on alone."""

import click

from emeritus import ledger
from emeritus.cli.house import Home
from emeritus.core.zones import day_in
from emeritus.ledger import ORGANISATION, Budget, Period, parse_cost


@click.group()
def command() -> None:
    """Show and declare what one steward may decide on alone."""


@command.command()
@click.pass_obj
def show(home: Home) -> None:
    """Show each budget, and what of it is used."""
    with home.open() as house, house.works.read() as work:
        now = house.clock.now()
        standing = ledger.budgets(work.log)
        used = {scope: ledger.spending(work.log, each, now) for scope, each in standing.items()}
        scopes = {entry.subject or "" for entry in work.log.entries(kinds={"budget.proposed"})}
        proposed = {scope: ledger.proposed_budget(work.log, scope) for scope in scopes}
    if not standing:
        click.echo("No budget is declared: one steward decides alone, whatever it costs.")
    for scope, each in standing.items():
        click.secho(_whose(scope), bold=True, nl=False)
        click.echo(f"  a {each.period}, declared by {each.by.name} (entry {each.entry})")
        for unit, amount in each.amounts.items():
            taken = used[scope].used.get(unit, 0.0)
            until = day_in(used[scope].end, each.zone)
            click.echo(
                f"    {amount:g} {unit}: {taken:g} used, {max(amount - taken, 0):g} left until {until}"
            )
    for scope, wanted in proposed.items():
        if wanted is not None:
            click.echo(f"{_whose(scope)}: {wanted.by.name} proposes {_amounts(wanted)} a {wanted.period}.")
            click.echo(f"    Next, by another steward: emeritus --as NAME budget second{_option(scope)}")


@command.command("set")
@click.argument("amounts", nargs=-1, required=True, metavar="'AMOUNT UNIT'…")
@click.option("--model", help="For this model; left out, for all models together.")
@click.option("--period", type=click.Choice(ledger.PERIODS), default="quarter", show_default=True)
@click.option("--reason", required=True, help="For the public.")
@click.option(
    "--propose",
    is_flag=True,
    help="If it is larger than the one that stands, put it forward for a second steward.",
)
@click.pass_obj
def set_(
    home: Home, amounts: tuple[str, ...], model: str | None, period: Period, reason: str, propose: bool
) -> None:
    """Declare that one steward may decide alone on AMOUNTS in each period, such as '100 EUR' '8 hours'."""
    from emeritus.process import decide

    scope = model or ORGANISATION
    costs = [parse_cost(text) for text in amounts]
    with home.open() as house, house.works.write() as work:
        made = decide.set_budget(
            work,
            scope,
            amounts={cost.unit: cost.amount for cost in costs},
            period=period,
            reason=reason,
            by=home.actor(),
            propose=propose,
        )
    if made.in_force:
        click.echo(f"{_whose(scope)}: {_amounts(made)} a {made.period} (entry {made.entry}).")
        return
    click.echo(f"{_whose(scope)}: {_amounts(made)} a {made.period} is proposed (entry {made.entry}).")
    click.echo(f"Next, by another steward: emeritus --as NAME budget second{_option(scope)}")


@command.command()
@click.option("--model", help="For this model; left out, for all models together.")
@click.pass_obj
def second(home: Home, model: str | None) -> None:
    """Agree, as a second steward, to the budget that another proposed; this declares it."""
    from emeritus.process import decide

    scope = model or ORGANISATION
    with home.open() as house, house.works.write() as work:
        made = decide.second_budget(work, scope, by=home.actor())
    click.echo(f"{_whose(scope)}: {_amounts(made)} a {made.period} (entry {made.entry}).")


def _whose(scope: str) -> str:
    return "All models together" if scope == ORGANISATION else scope


def _option(scope: str) -> str:
    return "" if scope == ORGANISATION else f" --model {scope}"


def _amounts(budget: Budget) -> str:
    return " and ".join(f"{amount:g} {unit}" for unit, amount in budget.amounts.items()) or "nothing"
