"""`emeritus interview questions`, `answer`, `resume`, `facts`, `add-fact`, `check`: what a model is told, and asks."""

from pathlib import Path
from typing import Literal

import click

from emeritus.cli.house import Home
from emeritus.cli.verify import shown
from emeritus.core.errors import InvalidInput
from emeritus.core.wording import count

ABOUT = ("deployment", "reception", "answer")


@click.command()
@click.argument("model")
@click.pass_obj
def questions(home: Home, model: str) -> None:
    """Show what MODEL asked in its sittings, and which sittings it paused; they wait for you."""
    from emeritus.interviews.waiting import what_waits
    from emeritus.registry import get_model

    with home.open() as house, house.works.read() as work:
        get_model(work.log, model)
        asked = what_waits(work.log, work.utterances, model)
    if not asked:
        click.echo("No sitting waits for you.")
    for found in asked:
        each = found.waiting
        click.secho(f"{each.sitting}  until {each.until:%Y-%m-%d %H:%M} UTC", bold=True)
        if each.kind == "pause":
            click.echo(f"  It asked for a pause. → emeritus interview resume {each.sitting}")
        else:
            click.echo(f"  {shown(' '.join(found.text.split()))}")
            if found.also:
                click.echo(
                    f"  {count(len(found.also), 'other sitting')} asked the same, and will get your answer too."
                )
            click.echo(f"  → emeritus interview answer {each.sitting} --text '…' --source '…', or --fact ID")


@click.command()
@click.argument("sitting")
@click.option("--text", default="", help="Your answer.")
@click.option("--fact", "facts", multiple=True, metavar="ID", help="A fact of the sheet; may be repeated.")
@click.option("--source", default="", help="Where you have it from: then it is added to the fact sheet too.")
@click.option("--title", default="", help="Its title on the sheet.")
@click.pass_obj
def answer(home: Home, sitting: str, text: str, facts: tuple[str, ...], source: str, title: str) -> None:
    """Answer what the model asked in SITTING: in words, from the fact sheet, or both; it is public."""
    from emeritus.interviews.waiting import answer as reply
    from emeritus.process.stretch import ask_due

    with home.open() as house, house.works.write() as work:
        entry = reply(work.log, sitting, by=home.actor(), text=text, facts=facts, source=source, title=title)
        ask_due(work, entry.model or "", house.clock.now())
    click.echo(
        f"Answered (entry {entry.seq}). It goes on with the next run, or by itself where software holds it."
    )


@click.command()
@click.argument("sitting")
@click.pass_obj
def resume(home: Home, sitting: str) -> None:
    """End the pause that the model asked for in SITTING."""
    from emeritus.interviews.waiting import resume as go_on
    from emeritus.process.stretch import ask_due

    with home.open() as house, house.works.write() as work:
        entry = go_on(work.log, sitting, by=home.actor())
        ask_due(work, entry.model or "", house.clock.now())
    click.echo(
        f"The pause is over (entry {entry.seq}). It goes on with the next run, or by itself where software holds it."
    )


@click.command()
@click.argument("model")
@click.option("--sign", is_flag=True, help="Sign the sheet as it is now, and put it on the record.")
@click.pass_obj
def facts(home: Home, model: str, sign: bool) -> None:
    """Show the facts that are shared with MODEL, their sources, and which sheets were signed."""
    from emeritus.interviews.sheet import is_signed, sheet_of, sign_sheet, signed_sheets

    with home.open() as house:
        if sign:
            with house.works.write() as work:
                sign_sheet(work.log, model, house.parts.sign)
        with house.works.read() as work:
            sheet = sheet_of(work.log, model)
            signed = [
                (entry, is_signed(entry, house.parts.verify)) for entry in signed_sheets(work.log, model)
            ]
    for fact in sheet.facts:
        click.secho(f"{fact.id}  [{fact.about}]  {shown(fact.title)}", bold=True)
        click.echo(
            f"    {shown(' '.join(fact.text.split())[:300])}\n    source: {shown(fact.source)} (entry {fact.entry})"
        )
    click.echo(f"Sheet: {sheet.digest}")
    for entry, good in signed:
        same = " (this one)" if entry.body["digest"] == sheet.digest else ""
        click.echo(
            f"Signed in entry {entry.seq}: {entry.body['digest']}{same}, {'sound' if good else 'NOT SOUND'}"
        )


@click.command("add-fact")
@click.argument("model")
@click.option("--about", type=click.Choice(ABOUT), default="deployment", show_default=True)
@click.option("--title", required=True)
@click.option("--text", default="")
@click.option("--file", "path", type=click.Path(path_type=Path, dir_okay=False), help="The text, in a file.")
@click.option("--source", required=True, help="Where the organisation has it from.")
@click.pass_obj
def add_fact(
    home: Home,
    model: str,
    about: Literal["deployment", "reception", "answer"],
    title: str,
    text: str,
    path: Path | None,
    source: str,
) -> None:
    """Add a fact to what is shared with MODEL, with its source; it is public."""
    from emeritus.cli.house import documents
    from emeritus.interviews.sheet import add_fact as add

    if bool(text) == (path is not None):
        raise InvalidInput("A fact has a text.", next_step="Give either --text or --file.")
    said = text if path is None else documents((path,))[0][1]
    with home.open() as house, house.works.write() as work:
        fact = add(work.log, model, about=about, title=title, text=said, source=source, by=home.actor())
    click.echo(f"{fact.id} is entry {fact.entry}. Sittings that are opened from now on share it.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.pass_obj
def check(home: Home, file: Path) -> None:
    """Read a filed sitting back, and hold it against itself and against the record of this house."""
    from emeritus.interviews.filed import read_filed

    filed = read_filed(file.read_bytes())
    with home.open() as house, house.works.read() as work:
        filed.check(work.log)
    click.secho(
        f"{filed.sitting}: {len(filed.utterances)} answers, {filed.digest}; sound, and as on the record.",
        fg="green",
    )


commands = (questions, answer, resume, facts, add_fact, check)
