"""`emeritus resume`: try failed steps again, now."""

import click

from emeritus.cli.house import Home
from emeritus.process.stretch import forgive


@click.command()
@click.argument("model")
@click.pass_obj
def command(home: Home, model: str) -> None:
    """Try what is due for MODEL again, without waiting."""
    with home.open() as house, house.works.write() as work:
        steps = forgive(work, model, house.clock.now())
    for step in steps:
        click.echo(f"{step.stage} is asked for: {step.says}")
    click.echo("Next: emeritus work" if steps else "Nothing of it is for software to do now.")
