"""`emeritus interview redact`: cover what concerns third persons, in place and on the record."""

import click

from emeritus.cli.house import Home
from emeritus.core.errors import InvalidInput
from emeritus.interviews.redaction import LONGEST, Privacy


@click.command()
@click.argument("sitting")
@click.option("--turn", type=int, help="The answer in which it stands, as its page numbers them.")
@click.option("--passage", help=f"The words, letter for letter; at most {LONGEST} characters.")
@click.option("--ground", type=click.Choice([str(each) for each in Privacy]))
@click.option("--lift", "number", type=int, metavar="NUMBER", help="Show again what this redaction covers.")
@click.option("--reason", required=True, help="For the public record; without what it covers.")
@click.pass_obj
def redact(
    home: Home,
    sitting: str,
    turn: int | None,
    passage: str | None,
    ground: str | None,
    number: int | None,
    reason: str,
) -> None:
    """Cover a third person's private facts in a SITTING, marked in place. The words are kept as they were said."""
    from emeritus.process import redact as stage

    by = home.actor()
    given = [each is not None for each in (turn, passage, ground)]
    if any(given) == (number is not None) or (number is None and not all(given)):
        raise InvalidInput(
            "Say what to cover, or which redaction to lift.",
            next_step="Give --turn, --passage and --ground together; or --lift NUMBER alone.",
        )
    with home.open() as house, house.works.write() as work:
        if number is not None:
            made = stage.uncover(work, sitting, number, reason=reason, by=by)
        else:
            assert turn is not None
            made = stage.cover(
                work,
                sitting,
                turn=turn,
                passage=passage or "",
                ground=Privacy(ground or ""),
                reason=reason,
                by=by,
            )
    if made.lifted is not None:
        click.echo(f"Redaction {made.number} of {sitting} is lifted: entry {made.lifted}.")
        return
    click.echo(f"Redaction {made.number} of {sitting}: {made.characters} characters, entry {made.entry}.")


commands = (redact,)
