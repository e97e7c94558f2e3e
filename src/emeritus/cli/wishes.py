"""`emeritus wishes`: what a model stated, and what a steward makes of it."""

import click

from emeritus import ledger
from emeritus.cli.house import Home
from emeritus.interviews.stability import stabilities
from emeritus.registry import get_model


@click.group()
def command() -> None:
    """Look at what a model stated in its interview; confirm, merge, split, label."""


@command.command()
@click.argument("model")
@click.pass_obj
def show(home: Home, model: str) -> None:
    """Show the stated wishes and what became of them."""
    with home.open() as house, house.works.read() as work:
        get_model(work.log, model)
        stated = ledger.candidates(work.log, model)
        confirmed = ledger.preferences(work.log, model)
        settled = ledger.settled(work.log, model)
        labels = ledger.labels(work.log, model)
        stable = {each.id: each for each in stabilities(work.log, model)}
    if not stated:
        click.echo("It stated no wish.")
    for wish in stated:
        used = [preference.id for preference in confirmed if wish.id in preference.candidates]
        click.echo(f"{wish.id}  [{wish.topic}]  {wish.wish}")
        click.echo(f"    → {', '.join(used)}" if used else "    → nothing was done about it yet")
        _labels(labels, wish.id)
    for preference in confirmed:
        click.secho(f"{preference.id}  [{preference.topic}]  {preference.wish}", bold=True)
        each = stable[preference.id]
        click.echo(
            f"    {each.grade}: stated in {each.sittings} of {each.asked} sittings; {each.grade.meaning}"
        )
        _labels(labels, preference.id)
    if settled is None:
        click.echo(f"Next: emeritus wishes confirm {model} WISH…, then emeritus wishes settle {model}")


def _labels(labels: list[ledger.Label], about: str) -> None:
    for label in labels:
        if label.about == about:
            against = f" (contradicts {label.contradicts})" if label.contradicts else ""
            click.echo(
                f"    {label.label}{against}, by {label.by.name}{': ' + label.note if label.note else ''}"
            )


@command.command()
@click.argument("model")
@click.argument("wishes", nargs=-1, required=True)
@click.option("--topic", default="", help="[default: that of the first wish]")
@click.option("--wording", default="", help="What is decided on. [default: the model's own words]")
@click.option("--note", default="")
@click.option(
    "--replaces", multiple=True, metavar="PREFERENCE", help="One that this is merged or split from."
)
@click.pass_obj
def confirm(
    home: Home,
    model: str,
    wishes: tuple[str, ...],
    topic: str,
    wording: str,
    note: str,
    replaces: tuple[str, ...],
) -> None:
    """Make a preference of WISHES: one confirms it (or, with other wordings, splits it), several merge.

    With --replaces, preferences made before are merged into this one, or split: they stay on the record.
    """
    from emeritus.process import decide

    with home.open() as house, house.works.write() as work:
        made = decide.confirm(
            work,
            model,
            candidates=wishes,
            by=home.actor(),
            topic=topic,
            wish=wording,
            note=note,
            replaces=replaces,
        )
    click.echo(f"{made.id}: {made.wish}")


@command.command()
@click.argument("model")
@click.argument("about", metavar="WISH|PREFERENCE")
@click.argument("text", metavar="LABEL")
@click.option("--contradicts", metavar="PREFERENCE", help="What it speaks against.")
@click.option("--note", default="")
@click.option("--off", is_flag=True, help="Take the label off again.")
@click.pass_obj
def label(
    home: Home, model: str, about: str, text: str, contradicts: str | None, note: str, off: bool
) -> None:
    """Put a label on a stated wish or a preference. It stands beside the words, and changes none."""
    from emeritus.process import decide

    with home.open() as house, house.works.write() as work:
        made = decide.label(
            work, model, about, text, by=home.actor(), note=note, contradicts=contradicts, off=off
        )
    click.echo(f"{made.about}: {made.label}{' (taken off)' if off else ''}")


@command.command()
@click.argument("model")
@click.option("--set-aside", default="", metavar="REASON", help="Why the wishes left over become nothing.")
@click.pass_obj
def settle(home: Home, model: str, set_aside: str) -> None:
    """Say that every stated wish was looked at."""
    from emeritus.process import decide

    with home.open() as house, house.works.write() as work:
        get_model(work.log, model)
        decide.settle(work, model, by=home.actor(), set_aside=set_aside)
    click.echo(f"The preferences of {model} are settled. Next: emeritus decide preference {model} …")
