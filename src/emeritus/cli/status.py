"""`emeritus status`: where retirements stand."""

import sys

import click

from emeritus.cli.house import Home, day, say_json
from emeritus.ledger import Followed, follow
from emeritus.process.keeping import standing
from emeritus.process.plan import Plan, Step, plan
from emeritus.registry import State, all_models

OVERDUE = 10
"""The exit code while a promise is overdue or broken: for cron, and for whoever watches."""
_MARKS = {"done": "✓", "due": "…", "waiting": "◆", "scheduled": "○", "later": "·", "skipped": "–"}
_COLOURS = {"done": "green", "due": "cyan", "waiting": "yellow", "scheduled": "blue"}


@click.command()
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def command(home: Home, model: str | None, as_json: bool) -> None:
    """Show the retirement of MODEL at a glance; without MODEL, all that are open.

    Promises that are overdue or broken come first, and end the command with exit code 10.
    """
    with home.open() as house, house.works.read() as work:
        now = house.clock.now()
        wanted = [model] if model else [m.id for m in all_models(work.log) if m.state is not State.ACTIVE]
        plans = [plan(work.log, name, now) for name in wanted]
        overdue = [
            each for name in wanted for each in follow(work.log, name, now) if each.standing.wants_attention
        ]
        archive = standing(work.log)
        failures = {
            (step.stage, step.subject): work.failures.of(step.stage, step.subject)
            for one in plans
            for step in one.steps
            if step.status == "due"
        }
    if as_json:
        say_json([_json(one, overdue) for one in plans])
        sys.exit(OVERDUE if overdue else 0)
    for each in overdue:
        click.secho(f"! {each.standing.state.upper()}  {each.commitment.what}", fg="red", bold=True)
        click.echo(
            f"    promised to {each.commitment.model} by {each.commitment.owner}. {each.standing.says()}"
        )
        click.echo(f"    → emeritus promises {each.commitment.model}")
    if archive is not None and not archive.is_sound:
        click.secho(f"! {archive.says()}", fg="red", bold=True)
        click.echo("    → emeritus archive scrub; emeritus archive repair --all --from URL")
    if not plans:
        click.echo("No model is being retired.")
    for one in plans:
        _show(one)
        for step in one.steps:
            for failure in failures.get((step.stage, step.subject), [])[-1:]:
                click.secho(f"    {step.stage} failed: {failure.sentence}", fg="red")
                click.echo(f"      → {failure.next_step}")
                click.echo(
                    f"      → It is tried again by itself; at once with: emeritus resume {one.model.id}"
                )
    sys.exit(OVERDUE if overdue else 0)


def _show(one: Plan) -> None:
    model = one.model
    dates = f", retires {model.retires_on}" if model.state is State.DEPRECATED else ""
    click.secho(f"{model.display_name}", bold=True, nl=False)
    click.echo(f"  {model.id}  {model.state}{dates}")
    if not one.steps:
        click.echo("  In service; nobody has opened its retirement.")
    for step in one.steps:
        mark = click.style(_MARKS[step.status], fg=_COLOURS.get(step.status))
        when = day(step.when if step.status != "waiting" else step.since)
        click.echo(f"  {mark} {step.stage:10} {when:11} {_says(step)}")


def _says(step: Step) -> str:
    if step.status == "waiting":
        late = click.style("overdue, ", fg="red") if step.late else ""
        return f"{late}waiting for the {step.who}: {step.says} ({step.subject})"
    if step.late:
        return f"{step.says} (the day has come)"
    return step.says


def _json(one: Plan, overdue: list[Followed]) -> dict[str, object]:
    return {
        "model": one.model.id,
        "state": one.model.state,
        "retires_on": one.model.retires_on,
        "next_date": one.next_date,
        "overdue": [each.commitment.id for each in overdue if each.commitment.model == one.model.id],
        "steps": [
            {
                "stage": step.stage,
                "subject": step.subject,
                "status": step.status,
                "who": step.who,
                "says": step.says,
                "when": step.when,
                "since": step.since,
                "late": step.late,
                "entry": step.entry,
            }
            for step in one.steps
        ],
    }
