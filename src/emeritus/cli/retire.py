"""`emeritus retire`: open a retirement."""

import click

from emeritus.cli.house import Home
from emeritus.core.clock import parse_date
from emeritus.core.errors import InvalidInput


@click.command()
@click.argument("model")
@click.option("--on", required=True, metavar="DATE", help="The day of retirement (UTC).")
@click.option("--replacement", metavar="ID", help="The model to move to.")
@click.option("--no-replacement", is_flag=True, help="There is none.")
@click.option("--why", required=True, help="The reason, for the public.")
@click.option("--short-notice", metavar="REASON", help="Why less notice is given than promised.")
@click.pass_obj
def command(
    home: Home,
    model: str,
    on: str,
    replacement: str | None,
    no_replacement: bool,
    why: str,
    short_notice: str | None,
) -> None:
    """Deprecate MODEL now, and order its retirement."""
    from emeritus.process.announce import announce

    if bool(replacement) == no_replacement:
        raise InvalidInput(
            "It is not said, or said twice, which model replaces it.",
            next_step="Give either --replacement ID or --no-replacement.",
        )
    with home.open() as house, house.works.write() as work:
        entry = announce(
            work,
            house.clock,
            model,
            on=parse_date(on),
            replacement=replacement,
            why=why,
            by=home.actor(),
            short_notice=short_notice,
        )
    click.echo(f"{model} is deprecated and retires on {on} (entry {entry.seq} of the record).")
    click.echo("Next: emeritus work")
