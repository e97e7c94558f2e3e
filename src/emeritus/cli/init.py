"""`emeritus init`: make a new house."""

import click

from emeritus.cli.house import Home
from emeritus.registry import Organisation
from emeritus.registry.organisation import DEFAULT_NOTICE_DAYS


@click.command()
@click.option("--name", required=True, help="The organisation's name, as it stands on the record.")
@click.option(
    "--notice-days",
    type=int,
    default=DEFAULT_NOTICE_DAYS,
    show_default=True,
    help="The promise: no model is retired sooner than that after it was announced.",
)
@click.pass_obj
def command(home: Home, name: str, notice_days: int) -> None:
    """Make a new house for an organisation."""
    from emeritus.wiring import found_house

    settings = home.settings()
    found_house(settings, Organisation(name.strip(), notice_days, demo=False))
    click.echo(f"The house of {name.strip()} stands at {settings.home}.")
    click.echo(f"Its signing key is {settings.key_file}: keep a copy where only you can read it.")
    click.echo("Next: emeritus person add 'YOUR NAME' --role steward")
