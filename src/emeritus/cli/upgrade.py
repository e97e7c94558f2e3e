"""`emeritus upgrade`: bring the tables to this release."""

import click

from emeritus.cli.house import Home


@click.command()
@click.pass_obj
def command(home: Home) -> None:
    """Bring the tables to this release. Back the database up first."""
    from emeritus.wiring import upgrade_house

    upgrade_house(home.settings())
    click.echo("The tables are those of this release.")
