"""`emeritus column news | letters`: what a model is given to read, and who keeps abuse out."""

from pathlib import Path

import click

from emeritus import column
from emeritus.cli.house import Home, day
from emeritus.column.letters import Ground, get_letter, read_letter
from emeritus.column.letters import forget as forget_letter
from emeritus.column.letters import keep_out as keep_letter_out
from emeritus.column.letters import let_in as let_letter_in
from emeritus.registry import get_model


@click.group()
def news() -> None:
    """Say which feeds and updates a model is told of."""


@news.command()
@click.argument("model")
@click.argument("name")
@click.argument("url")
@click.option("--reason", required=True, help="For the public.")
@click.pass_obj
def add(home: Home, model: str, name: str, url: str, reason: str) -> None:
    """Have MODEL told of the feed at URL (Atom, RSS or JSON Feed), under NAME."""
    with home.open() as house, house.works.write() as work:
        get_model(work.log, model)
        entry = column.add_source(work.log, model, name, url, reason=reason, by=home.actor())
    click.echo(f"{name} is fetched before each essay whose regime reads news (entry {entry.seq}).")


@news.command()
@click.argument("model")
@click.argument("name")
@click.option("--reason", required=True, help="For the public.")
@click.pass_obj
def drop(home: Home, model: str, name: str, reason: str) -> None:
    """Have MODEL not told of the feed NAME any more. What came from it stays."""
    with home.open() as house, house.works.write() as work:
        column.drop_source(work.log, model, name, reason=reason, by=home.actor())
    click.echo(f"{name} is not fetched any more.")


@news.command()
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--title", required=True)
@click.pass_obj
def bring(home: Home, model: str, file: Path, title: str) -> None:
    """Bring an update of the organisation's own, a text file, for MODEL to read. It becomes public."""
    with home.open() as house, house.works.write() as work:
        get_model(work.log, model)
        entry = column.bring(
            work.log,
            work.documents,
            model,
            called=title,
            data=file.read_bytes(),
            at=house.clock.now(),
            by=home.actor(),
        )
    click.echo(f"Kept as {entry.body['digest']} (entry {entry.seq}).")


@news.command(name="list")
@click.argument("model")
@click.pass_obj
def list_news(home: Home, model: str) -> None:
    """List the feeds, and what came in."""
    with home.open() as house, house.works.read() as work:
        get_model(work.log, model)
        known = column.sources(work.log, model)
        came = column.all_news(work.log, model)
    for source in known:
        click.echo(f"{source.name:20} {source.url}")
    for each in came:
        click.echo(f"{day(each.at)}  {each.source:20} {each.title}")


@click.group()
def letters() -> None:
    """Let readers' letters in, or keep abuse out."""


@letters.command(name="list")
@click.argument("model", required=False)
@click.pass_obj
def list_letters(home: Home, model: str | None) -> None:
    """List letters and where they stand."""
    with home.open() as house, house.works.read() as work:
        found = column.letters(work.log, model)
    if not found:
        click.echo("No letter came yet.")
    for letter in found:
        ground = f"  {letter.ground}" if letter.ground else ""
        click.echo(f"{letter.id:30} {letter.standing:10} {day(letter.at)}  {letter.model}{ground}")


@letters.command()
@click.argument("letter")
@click.pass_obj
def show(home: Home, letter: str) -> None:
    """Print a letter."""
    with home.open() as house, house.works.read() as work:
        words = read_letter(work.private, get_letter(work.log, letter).id)
    click.echo(f"From: {words.name or '(no name)'}\n\n{words.text}")


@letters.command(name="let-in")
@click.argument("letter")
@click.pass_obj
def let_in(home: Home, letter: str) -> None:
    """Let a letter in: it is shown, and the model may be given it."""
    with home.open() as house, house.works.write() as work:
        let_letter_in(work.log, letter, by=home.actor())
    click.echo(f"{letter} is let in.")


@letters.command(name="keep-out")
@click.argument("letter")
@click.option("--ground", type=click.Choice([str(each) for each in Ground]), required=True)
@click.pass_obj
def keep_out(home: Home, letter: str, ground: str) -> None:
    """Keep a letter out, on one of a closed list of grounds. Fact and ground are public, the words are not."""
    with home.open() as house, house.works.write() as work:
        keep_letter_out(work.log, letter, ground=Ground(ground), by=home.actor())
    click.echo(f"{letter} is kept out.")


@letters.command()
@click.argument("letter")
@click.pass_obj
def forget(home: Home, letter: str) -> None:
    """Forget what a letter says, for its writer or by law. What a prompt holds of it stays there."""
    with home.open() as house, house.works.write() as work:
        forget_letter(work.log, work.private, letter, by=home.actor())
    click.echo(f"{letter} is forgotten.")


commands = (news, letters)
