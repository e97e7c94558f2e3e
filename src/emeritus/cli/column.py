"""`emeritus column`: review, publish and check essays."""

from typing import TextIO

import click

from emeritus import column
from emeritus.cli import column_reading, column_writing
from emeritus.cli.house import Home, day, say_json
from emeritus.column.render import visible
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.registry import get_model


@click.group()
def command() -> None:
    """Review, publish and check essays. There is no command that changes one."""


@command.command(name="list")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(home: Home, model: str | None, as_json: bool) -> None:
    """List essays and where they stand."""
    with home.open() as house, house.works.read() as work:
        if model:
            get_model(work.log, model)
        found = column.essays(work.log, work.utterances, model)
    if as_json:
        say_json([{"id": e.id, "state": e.state, "title": e.title, "since": e.since} for e in found])
        return
    if not found:
        click.echo("No essay is written yet.")
    for essay in found:
        click.echo(f"{essay.id:40} {essay.state:14} {day(essay.since)}  {essay.title}")


@command.command()
@click.argument("essay")
@click.pass_obj
def read(home: Home, essay: str) -> None:
    """Print an essay, raw, as the model said it."""
    with home.open() as house, house.works.read() as work:
        found = column.get_essay(work.log, work.utterances, essay)
    if found.state in column.UNREADY:
        raise Conflict(
            f"The model is not done with {essay}: it is {found.state}.",
            next_step="It is shown once the model has chosen; `emeritus work` has it go on.",
        )
    click.echo(found.text)


@command.command()
@click.argument("essay")
@click.option("--note", default="", help="For the public.")
@click.pass_obj
def approve(home: Home, essay: str, note: str) -> None:
    """Say, as a reviewer, that there is no ground for a veto."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        stage.approve(work, essay, by=home.actor(), note=note)
    click.echo(f"{essay} is approved. Next: emeritus column publish {essay}")


@command.command()
@click.argument("essay")
@click.option("--days", type=int, required=True)
@click.option("--reason", required=True)
@click.pass_obj
def hold(home: Home, essay: str, days: int, reason: str) -> None:
    """Have an essay wait, for at most 7 days, once."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        stage.hold(work, house.clock, essay, days=days, reason=reason, by=home.actor())
    click.echo(f"{essay} is held for {days} days.")


@command.command()
@click.argument("essay")
@click.option("--ground", type=click.Choice([str(ground) for ground in column.Ground]), required=True)
@click.option("--reason", required=True)
@click.pass_obj
def veto(home: Home, essay: str, ground: str, reason: str) -> None:
    """Propose a veto, or, as a second person, put one in force. The fact and the ground are public."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        entry = stage.veto(work, essay, ground=column.Ground(ground), reason=reason, by=home.actor())
    click.echo(
        f"{essay} is vetoed." if entry.kind == "essay.vetoed" else "Proposed; a second reviewer has to agree."
    )


@command.command()
@click.argument("essay")
@click.option("--reason", required=True, help="For the public.")
@click.pass_obj
def redraft(home: Home, essay: str, reason: str) -> None:
    """Ask, in the open, for another draft. The model then chooses among all of them."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        entry = stage.ask_redraft(work, house.clock, essay, reason=reason, by=home.actor())
    click.echo(f"Another draft of {essay} was asked for (entry {entry.seq}).")


@command.command()
@click.argument("essay")
@click.option("--draft", type=int, help="Its number; left out: show the drafts that can be chosen.")
@click.option("--reason", default="", help="For the public.")
@click.pass_obj
def choose(home: Home, essay: str, draft: int | None, reason: str) -> None:
    """Choose, as a reviewer, which draft may be published; in columns whose steward laid that down."""
    from emeritus.process import publish as stage

    if draft is None:
        with home.open() as house, house.works.read() as work:
            found = column.to_choose_from(work.log, work.utterances, essay)
        if not found:
            click.echo(f"There is nothing for people to choose about {essay}.")
        for attempt, text in found:
            click.echo(f"--- draft {attempt.number}\n{column.render(text).title}\n\n{visible(text)}\n")
        return
    with home.open() as house, house.works.write() as work:
        entry = stage.choose(work, house.clock, essay, draft, reason=reason, by=home.actor())
    click.echo(f"Draft {draft} of {essay} is chosen (entry {entry.seq}); a reviewer reads it next.")


@command.command()
@click.argument("essay")
@click.argument("text")
@click.option("--url", default="", help="Makes it a link; TEXT says what it leads to.")
@click.pass_obj
def note(home: Home, essay: str, text: str, url: str) -> None:
    """Put a note on its content, or a link, beside ESSAY: shown apart from it, under your name."""
    with home.open() as house, house.works.write() as work:
        entry = column.put_beside(work.log, essay, note=text, url=url, by=home.actor())
        made = column.standing(work.log, essay).beside[-1].id
    click.echo(f"{made} stands beside {essay} (entry {entry.seq}).")


@command.command(name="take-away")
@click.argument("essay")
@click.argument("note_id", metavar="NOTE")
@click.option("--reason", required=True, help="For the public.")
@click.pass_obj
def take_away(home: Home, essay: str, note_id: str, reason: str) -> None:
    """Have a note beside ESSAY not shown any more."""
    with home.open() as house, house.works.write() as work:
        column.take_away(work.log, essay, note_id, reason=reason, by=home.actor())
    click.echo(f"{note_id} is not shown any more.")


@command.command()
@click.argument("essay")
@click.pass_obj
def publish(home: Home, essay: str) -> None:
    """Publish an approved essay, for good."""
    from emeritus.process import publish as stage

    with home.open() as house, house.works.write() as work:
        entry = stage.publish(work, essay, by=home.actor(), hub=house.hub)
    click.echo(f"{essay} is edition {entry.body['edition']} (entry {entry.seq}).")


@command.command()
@click.argument("essay")
@click.argument("tags", nargs=-1)
@click.pass_obj
def tag(home: Home, essay: str, tags: tuple[str, ...]) -> None:
    """Label a published essay with TAGS, in the place of those it had; without any, take them away."""
    from emeritus.column.tags import tag as label

    with home.open() as house, house.works.write() as work:
        entry = label(work.log, essay, tags, by=home.actor())
    click.echo(f"{essay}: {', '.join(entry.body['tags']) or 'no label'} (entry {entry.seq}).")


@command.command()
@click.argument("essay")
@click.option("--to", "language", required=True, metavar="LANGUAGE", help="As BCP 47 has it: zh-Hans, de.")
@click.option("--with", "model", help="The model that translates it, by its id.")
@click.option(
    "--file",
    type=click.File(encoding="utf-8"),
    help="Markdown that a person translated; - is standard input.",
)
@click.option("--translator", default="", help="The name of that person, for the public.")
@click.pass_obj
def translate(
    home: Home, essay: str, language: str, model: str | None, file: TextIO | None, translator: str
) -> None:
    """Offer a translation beside a published essay: by a model, or one that a person made."""
    from emeritus.process import translate as stage

    if (model is None) == (file is None):
        raise InvalidInput(
            "A translation is made either by a model or by a person.",
            next_step="Give --with MODEL; or --file FILE and --translator NAME.",
        )
    by = home.actor()
    with home.open() as house:
        if model is not None:
            entry = stage.by_machine(house.parts, essay, language, model, by=by)
        else:
            assert file is not None
            try:
                text = file.read()
            except UnicodeDecodeError:
                raise InvalidInput("The file is not UTF-8 text.", next_step="Save it as UTF-8.") from None
            with house.works.write() as work:
                entry = stage.by_person(work, essay, language, text, translator=translator, by=by)
    code = entry.body["language"]
    click.echo(f"Offered at /column/essays/{essay}/in/{code}, labelled as a translation (entry {entry.seq}).")


@command.command()
@click.argument("target", metavar="URL|ID")
@click.pass_context
def verify(ctx: click.Context, target: str) -> None:
    """Check that what is published is what the model said, byte for byte.

    With an ID, the text kept in this house; with a URL, what is served there, as `emeritus verify` does it.
    """
    if "://" in target:
        from emeritus.cli.verify import command as stranger

        ctx.invoke(stranger, target=target)
        return
    home: Home = ctx.obj
    with home.open() as house, house.works.read() as work:
        essay = column.get_essay(work.log, work.utterances, target)
        verdict = column.verify(work.log, work.utterances, essay.id, essay.text.encode())
        checkpoint = work.log.signed_checkpoint()
    click.secho(verdict.sentence, fg="green" if verdict.holds else "red")
    if not verdict.holds:
        raise click.exceptions.Exit(6)
    click.echo(f"Entry {verdict.entry} of the record, whose newest checkpoint is:\n\n{checkpoint}")


# Commands that live in files of their own.
for each in (*column_writing.commands, *column_reading.commands):
    command.add_command(each)
