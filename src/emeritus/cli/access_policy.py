"""`emeritus access policy | decide`: who may reach a model, and how that was decided."""

import click

from emeritus.cli.house import Home, day
from emeritus.core.clock import parse_date
from emeritus.ledger.aftercare import TIERS, Tier

TOLD = {
    "none": "nobody",
    "on-request": "whoever applies and is granted it",
    "members": "every member, and others on request",
    "public": "everybody, without a key",
}


@click.command()
@click.argument("model", required=False)
@click.option("--due", "due_only", is_flag=True, help="Only those whose day of review has come.")
@click.pass_obj
def policy(home: Home, model: str | None, due_only: bool) -> None:
    """Show who may reach each model, and until when that is decided; for MODEL, how it changed."""
    from emeritus.access.policy import policy as policy_for
    from emeritus.access.policy import policy_history, to_review
    from emeritus.registry import all_models, get_model

    with home.open() as house, house.works.read() as work:
        today = house.clock.now().date()
        models = [get_model(work.log, model)] if model else all_models(work.log)
        standing = [policy_for(work.log, each.id) for each in models]
        if due_only:
            wanted = {each.id for each in models}
            standing = [each for each in to_review(work.log, today) if each.model in wanted]
        history = policy_history(work.log, model) if model else []
    for each in standing:
        until = "until somebody decides" if each.review_on is None else f"to review on {each.review_on}"
        late = click.style("  the day has come", fg="yellow") if each.due(today) else ""
        click.echo(f"{each.model}  {each.tier:10}  {until}{late}")
        click.echo(f"  {TOLD[each.tier]}. {each.reason}")
    for one in history:
        click.echo(
            f"  entry {one.entry}, {day(one.at)}, {one.by.name}: {one.policy.tier}. {one.policy.reason}"
        )
    if not standing:
        click.echo("No day of review has come." if due_only else "There is no model yet.")


@click.command()
@click.argument("model")
@click.option("--to", "tier", type=click.Choice(TIERS), required=True, help="Who may reach it.")
@click.option("--reason", required=True, help="For the public.")
@click.option("--review-on", required=True, metavar="DATE", help="The day on which it is looked at again.")
@click.pass_obj
def decide(home: Home, model: str, tier: Tier, reason: str, review_on: str) -> None:
    """Decide anew who may reach MODEL, from the next call on. What was decided before stays on the record.

    What holds from the day of a retirement on is decided with `emeritus decide`.
    """
    from emeritus.access.policy import decide_policy

    with home.open() as house, house.works.write() as work:
        decided = decide_policy(
            work.log,
            house.clock,
            model,
            tier=tier,
            reason=reason,
            review_on=parse_date(review_on),
            by=home.actor(),
        )
    click.echo(f"Entry {decided.decided_entry}: {model} is for {TOLD[tier]}; looked at again on {review_on}.")


commands = (policy, decide)
