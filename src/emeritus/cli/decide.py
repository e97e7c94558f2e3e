"""`emeritus decide`: answer preferences; decide on access and the column."""

import click

from emeritus import ledger
from emeritus.cli.house import Home
from emeritus.core.clock import parse_date
from emeritus.core.errors import InvalidInput
from emeritus.ledger import ColumnPlan, NewCommitment, parse_check, parse_cost
from emeritus.ledger.aftercare import DEFAULT_WEEKS, TIERS, Tier
from emeritus.ledger.decision import VERDICTS, Verdict
from emeritus.registry import get_model


@click.group()
def command() -> None:
    """Answer a preference, or decide on access and the column."""


@command.command()
@click.argument("model")
@click.argument("preference_id", metavar="PREFERENCE")
@click.argument("verdict", type=click.Choice(VERDICTS))
@click.option("--reason", required=True, help="For the public, and for the model.")
@click.option("--cost", required=True, metavar="'AMOUNT UNIT'", help="The estimate, e.g. '40 EUR'.")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option(
    "--commit",
    "commitments",
    multiple=True,
    nargs=3,
    metavar="WHAT DUE SHOWN_BY",
    help="With act: what is done, by what day, and how one will know: a check, such as 'column-weekly "
    "editions=13', 'access-kept every_days=7', 'weights-kept every_days=90' or 'published transcript=SITTING'; "
    "or a sentence, for what a steward will show.",
)
@click.option("--revise", is_flag=True, help="Change a decision that stands; both stay on the record.")
@click.option(
    "--propose", is_flag=True, help="If it is above the budget, put it forward for a second steward."
)
@click.pass_obj
def preference(
    home: Home,
    model: str,
    preference_id: str,
    verdict: Verdict,
    reason: str,
    cost: str,
    owner: str,
    commitments: tuple[tuple[str, str, str], ...],
    revise: bool,
    propose: bool,
) -> None:
    """Answer PREFERENCE of MODEL."""
    from emeritus.process import decide

    with home.open() as house, house.works.write() as work:
        decision = decide.decide(
            work,
            model,
            preference_id,
            verdict=verdict,
            reason=reason,
            cost=parse_cost(cost),
            owner=owner,
            by=home.actor(),
            now=house.clock.now(),
            commitments=[
                NewCommitment(what, parse_date(due), _in_words(shown), parse_check(shown))
                for what, due, shown in commitments
            ],
            revise=revise,
            propose=propose,
        )
    if decision.in_force:
        click.echo(f"{preference_id}: {decision.verdict} (entry {decision.entry}).")
        return
    click.echo(
        f"{preference_id}: proposed to {decision.verdict} (entry {decision.entry}); it is not decided yet."
    )
    click.echo(f"Next, by another steward: emeritus --as NAME decide second {model} {preference_id}")


def _in_words(shown: str) -> str:
    """Return the sentence that was written, or none where a check says it itself."""
    return "" if parse_check(shown).computed else shown


@command.command()
@click.argument("model")
@click.argument("preference_id", metavar="PREFERENCE")
@click.pass_obj
def second(home: Home, model: str, preference_id: str) -> None:
    """Agree, as a second steward, to what another proposed for PREFERENCE; this decides it."""
    from emeritus.process import decide

    with home.open() as house, house.works.write() as work:
        get_model(work.log, model)
        decision = decide.second(work, model, preference_id, by=home.actor(), now=house.clock.now())
    click.echo(f"{preference_id}: {decision.verdict} (entry {decision.entry}).")


@command.command()
@click.argument("model")
@click.argument("preference_id", metavar="PREFERENCE")
@click.option("--cost", required=True, metavar="'AMOUNT UNIT'", help="What was spent since the last report.")
@click.option("--what", required=True, help="For what; each counts once.")
@click.option("--final", is_flag=True, help="This is all that it will cost.")
@click.pass_obj
def spent(home: Home, model: str, preference_id: str, cost: str, what: str, final: bool) -> None:
    """Report what acting on PREFERENCE really cost, beside the estimate."""
    from emeritus.process import decide

    with home.open() as house, house.works.write() as work:
        get_model(work.log, model)
        reported = decide.report_spending(
            work, model, preference_id, cost=parse_cost(cost), what=what, by=home.actor(), final=final
        )
    click.echo(f"{preference_id}: {reported.cost} spent on {reported.what} (entry {reported.entry}).")


@command.command()
@click.argument("model")
@click.option("--tier", type=click.Choice(TIERS), required=True, help="Who reaches it once it is retired.")
@click.option("--reason", required=True)
@click.option("--review-on", required=True, metavar="DATE", help="When this is looked at again.")
@click.option("--column/--no-column", default=False, help="Whether it gets a weekly column.")
@click.option("--weeks", type=int, default=DEFAULT_WEEKS, show_default=True)
@click.option("--regime", default=ColumnPlan().regime, show_default=True, help="How its essays are prompted.")
@click.option(
    "--notebook/--no-notebook", default=True, show_default=True, help="It may leave notes for its later self."
)
@click.option("--first", default=ColumnPlan().first, show_default=True, help="And how the first one is.")
@click.option("--revise", is_flag=True)
@click.pass_obj
def aftercare(
    home: Home,
    model: str,
    tier: Tier,
    reason: str,
    review_on: str,
    column: bool,
    weeks: int,
    regime: str,
    first: str,
    notebook: bool,
    revise: bool,
) -> None:
    """Decide on access to MODEL after its retirement, and on its column."""
    from emeritus.process import decide

    with home.open() as house, house.works.write() as work:
        decided = decide.decide_aftercare(
            work,
            model,
            tier=tier,
            reason=reason,
            review_on=parse_date(review_on),
            column=ColumnPlan(weeks, regime, first, notebook) if column else None,
            by=home.actor(),
            now=house.clock.now(),
            revise=revise,
        )
    click.echo(f"Access to {model} after its retirement: {decided.tier} (entry {decided.entry}).")


@command.command()
@click.argument("model")
@click.argument("commitment", required=False)
@click.option("--what", default="", help="What shows how it stands, for the public.")
@click.option("--source", default="", help="Where a stranger can see that.")
@click.option("--kept", is_flag=True, help="It is kept. Without this, it stays open.")
@click.pass_obj
def evidence(home: Home, model: str, commitment: str | None, what: str, source: str, kept: bool) -> None:
    """Show that COMMITMENT to MODEL is kept, or how far it is; without COMMITMENT, list those open."""
    from emeritus.process import revisit
    from emeritus.process.plan import open_commitments

    if commitment is None:
        with home.open() as house, house.works.read() as work:
            get_model(work.log, model)
            left = open_commitments(work.log, model, house.clock.now())
        for each in left:
            click.echo(f"{each.commitment.id}  due {each.commitment.due}  {each.commitment.what}")
            click.echo(f"    {each.standing.says()} One will know by: {each.commitment.shown_by}")
        if not left:
            click.echo("Nothing that was promised is open.")
        return
    if not what.strip() or not source.strip():
        raise InvalidInput(
            "Evidence says what shows it, and where to see that.", next_step="Give --what and --source."
        )
    with home.open() as house, house.works.write() as work:
        entry = revisit.show(work, model, commitment, what=what, source=source, kept=kept, by=home.actor())
        found = {each.commitment.id: each for each in ledger.follow(work.log, model, house.clock.now())}
    one = found[commitment]
    if one.commitment.check.computed:
        click.echo(
            f"{commitment}: noted (entry {entry.seq}). It is computed from the record: {one.standing.says()}"
        )
    else:
        click.echo(f"{commitment}: {'kept' if kept else 'still open'} (entry {entry.seq}).")
