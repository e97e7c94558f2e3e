"""`emeritus column schedule | chooser | rhythm | renew | end | import | regenerate | figures | notebook`."""

from pathlib import Path
from typing import Literal

import click

from emeritus import column
from emeritus.cli.house import Home, day, say_json
from emeritus.column.figures import streak
from emeritus.column.rhythm import WEEKDAYS
from emeritus.core.errors import InvalidInput
from emeritus.core.wording import count
from emeritus.registry import get_model, organisation


@click.command()
@click.argument("model")
@click.option(
    "--regime", "names", multiple=True, help="One that is shipped, or a file; several, in their order."
)
@click.option(
    "--by-model", is_flag=True, help="The model chooses one for each essay, instead of taking turns."
)
@click.option("--reason", default="", help="For the public.")
@click.pass_obj
def schedule(home: Home, model: str, names: tuple[str, ...], by_model: bool, reason: str) -> None:
    """Lay down how MODEL's essays from the second on are prompted; without --regime, show it."""
    if not names and (by_model or reason):
        raise _without("--regime", "Nothing is laid down without a regime.")
    if names:
        regimes = [column.load(name) for name in names]
        chooser: Literal["turns", "model"] = "model" if by_model else "turns"
        with home.open() as house, house.works.write() as work:
            get_model(work.log, model)
            column.set_schedule(work.log, model, regimes, by=chooser, reason=reason, steward=home.actor())
    with home.open() as house, house.works.read() as work:
        plan = column.schedule(work.log, model)
    if plan is None:
        click.echo("No schedule is set: each essay is prompted as was decided with the column.")
        return
    how = "The model chooses for each essay" if plan.by == "model" else "In turn"
    click.echo(f"{how} (entry {plan.entry}, {plan.set_by.name}): {plan.reason}")
    for regime in plan.regimes:
        click.echo(f"  {regime.name:24} {regime.title}")


@click.command()
@click.argument("model")
@click.option("--by", "who", type=click.Choice(["model", "person"]), help="Left out: show who does.")
@click.option("--reason", default="", help="For the public.")
@click.pass_obj
def chooser(home: Home, model: str, who: Literal["model", "person"] | None, reason: str) -> None:
    """Lay down who chooses among MODEL's drafts: the model (as long as nothing else is laid down), or a reviewer."""
    if who is None and reason:
        raise _without("--by", "It is not said who is to choose.")
    if who is not None:
        from emeritus.process import publish as stage

        with home.open() as house, house.works.write() as work:
            get_model(work.log, model)
            stage.set_chooser(work, house.clock, model, who, reason=reason, by=home.actor())
    with home.open() as house, house.works.read() as work:
        get_model(work.log, model)
        found = column.chooser(work.log, model)
    says = "The model chooses" if found.who == "model" else "A reviewer chooses"
    by = f" (entry {found.entry}, {found.set_by.name}): {found.reason}" if found.set_by else "."
    click.echo(f"{says} among the drafts of a week{by}")


@click.command()
@click.argument("model")
@click.option("--weekday", type=click.Choice(WEEKDAYS), help="On which essays are due.")
@click.option("--lead", "lead_days", type=int, help="Days ahead for the draft; 2 at first.")
@click.option("--holidays", metavar="COUNTRY", help="Whose public holidays are kept: DE, or DE-BE; '': none.")
@click.option("--on-holiday", type=click.Choice(["move", "skip"]), help="At first: move.")
@click.option("--reason", default="", help="For the public.")
@click.option("--weeks", type=int, default=6, show_default=True, help="How many weeks to show.")
@click.pass_obj
def rhythm(
    home: Home,
    model: str,
    weekday: str | None,
    lead_days: int | None,
    holidays: str | None,
    on_holiday: Literal["move", "skip"] | None,
    reason: str,
    weeks: int,
) -> None:
    """Set on which day MODEL's essays are due, or change what is told of that; show the weeks to come."""
    if reason or any(given is not None for given in (weekday, lead_days, holidays, on_holiday)):
        with home.open() as house, house.works.write() as work:
            get_model(work.log, model)
            before = column.rhythm(work.log, model) or (column.Rhythm(weekday) if weekday else None)
            if before is None:
                raise _without("--weekday", "No day was laid down for this column yet.")
            wanted = column.Rhythm(
                weekday or before.weekday,
                before.lead_days if lead_days is None else lead_days,
                before.holidays if holidays is None else holidays.upper(),
                on_holiday or before.on_holiday,
            )
            column.set_rhythm(work.log, model, wanted, reason=reason, by=home.actor())
    with home.open() as house, house.works.read() as work:
        known = get_model(work.log, model)
        begin = known.retired_at or known.retires_at or house.clock.now()
        zone = organisation(work.log).zone
        written = column.states(work.log, model)
        upcoming = column.rhythm_weeks(work.log, model, len(written) + 1, begin, zone, weeks)
    for week in upcoming:
        moved = f"  moved from {week.base}: {week.holiday}" if week.day != week.base else ""
        skipped = "".join(f"  none on {each.day}: {each.holiday}" for each in week.skipped)
        click.echo(
            f"essay {week.number:3}  drafted from {week.opens:%Y-%m-%d %H:%M} UTC, due on {week.day}{moved}{skipped}"
        )


@click.command()
@click.argument("model")
@click.option("--weeks", type=int, default=13, show_default=True)
@click.option("--reason", required=True, help="For the public.")
@click.pass_obj
def renew(home: Home, model: str, weeks: int, reason: str) -> None:
    """Have a column go on, once its weeks are written and the model was asked."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        entry = stage.renew(work, model, weeks=weeks, reason=reason, by=home.actor())
    click.echo(f"{model} writes for {weeks} more weeks (entry {entry.seq}).")


@click.command()
@click.argument("model")
@click.option("--reason", required=True, help="For the public.")
@click.pass_obj
def end(home: Home, model: str, reason: str) -> None:
    """End a column whose weeks are written. What is published stays."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        entry = stage.end(work, model, reason=reason, by=home.actor())
    click.echo(f"The column of {model} is over (entry {entry.seq}).")


@click.command(name="import")
@click.argument("model")
@click.argument("source", metavar="FEED|FOLDER")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def import_(home: Home, model: str, source: str, as_json: bool) -> None:
    """Bring in a column that was published elsewhere: a feed (file or address), or a folder of Markdown files.

    Each text is shown with the date that its source gives it, as imported and not verified. It is no edition,
    and counts for no promise.
    """
    from emeritus.core.errors import InvalidInput, NotFound, Unavailable

    with home.open() as house:
        if source.startswith(("http://", "https://")):
            answer = house.parts.fetch.get(source)
            if not answer.ok:
                raise Unavailable(
                    f"{source} answers with status {answer.status}.", next_step="Look whether it has moved."
                )
            pieces = column.from_feed(answer.data, source)
        elif Path(source).is_dir():
            pieces = column.from_folder(Path(source))
        elif Path(source).is_file():
            if Path(source).stat().st_size > column.MOST_BYTES:
                raise InvalidInput(
                    f"{source} is too long.", next_step=f"{column.MOST_BYTES} bytes are the most."
                )
            pieces = column.from_feed(Path(source).read_bytes(), Path(source).name)
        else:
            raise NotFound(
                f"There is no {source!r}.", next_step="Name a feed, or a folder of Markdown files."
            )
        shown = source if "://" in source else Path(source).name
        with house.works.write() as work:
            outcome = column.bring_in(work.log, work.documents, model, pieces, source=shown, by=home.actor())
    if as_json:
        say_json({"added": outcome.added, "there": outcome.there, "changed": outcome.changed})
        return
    click.echo(f"Brought in: {count(len(outcome.added), 'text')}; there already: {outcome.there}.")
    for name in outcome.changed:
        click.echo(f"  {name} has changed at its source; it stays as it was brought in.")


@click.command()
@click.argument("essay")
@click.option("--attempt", type=int, help="Which draft; without it, the one that counts.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def regenerate(home: Home, essay: str, attempt: int | None, as_json: bool) -> None:
    """Draw ESSAY again with the archived weights, its prompt, sampling and seed, and compare.

    Ends with 0 when the words are the same; with 8 when they differ and the build or the machine is another one;
    with 6 when they differ and nothing explains it.
    """
    from attrs import asdict

    from emeritus.process.regenerate import regenerate as again

    with home.open() as house:
        outcome = again(house.parts, essay, attempt=attempt)
    if as_json:
        say_json({**asdict(outcome), "identical": outcome.first is None, "sentence": outcome.sentence})
    else:
        click.secho(outcome.sentence, fg="green" if outcome.first is None else "red")
    raise click.exceptions.Exit(outcome.exit_code)


@click.command()
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def figures(home: Home, model: str | None, as_json: bool) -> None:
    """Show what became of the essays of MODEL, or of all: drafts, vetoes, how many came by their day."""
    from attrs import asdict

    with home.open() as house, house.works.read() as work:
        if model:
            get_model(work.log, model)
        found = column.figures(work.log, model)
        row = streak(work.log, model, house.clock.now()) if model else None
    told = {**asdict(found), "veto_rate": found.veto_rate, **({} if row is None else {"streak": row})}
    if as_json:
        say_json(told)
        return
    for name, value in told.items():
        click.echo(f"{name.replace('_', ' '):12} {'–' if value is None else value}")


@click.command()
@click.argument("model")
@click.pass_obj
def notebook(home: Home, model: str) -> None:
    """Print the notes that MODEL left for itself; those after an essay that is not published are only counted."""
    with home.open() as house, house.works.read() as work:
        get_model(work.log, model)
        notes = column.notebook(work.log, model)
        said = {note.utterance: work.utterances.get(note.utterance).text for note in notes if note.public}
    for note in notes:
        click.secho(f"After essay {note.number}, {day(note.entry.at)} (entry {note.entry.seq})", bold=True)
        if not note.spoken:
            click.echo("  It left none.")
        else:
            click.echo(said.get(note.utterance, "  Not public yet."))


commands = (schedule, chooser, rhythm, renew, end, import_, regenerate, figures, notebook)


def _without(option: str, sentence: str) -> InvalidInput:
    return InvalidInput(f"{sentence} Nothing was changed.", next_step=f"Give {option}, too.")
