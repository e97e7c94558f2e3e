"""`emeritus organisation`: what the organisation promises, whoever leaves."""

import click

from emeritus import registry
from emeritus.cli.house import Home


@click.group()
def command() -> None:
    """Show and change what the organisation promises."""


@command.command()
@click.pass_obj
def show(home: Home) -> None:
    """Show the name, the promised notice and the time zone, and how they were changed."""
    with home.open() as house, house.works.read() as work:
        here = registry.organisation(work.log)
        made = work.log.entries(kinds={"organisation.revised"})
    click.secho(here.name, bold=True)
    click.echo(f"  promises {here.notice_days} days of notice; its days are those of {here.zone}")
    for entry in made:
        body = entry.body
        click.echo(
            f"  entry {entry.seq}, {entry.at:%Y-%m-%d}, {entry.by.name}: {body['notice_days']} days, "
            f"{body['zone']}. {body['why']}"
        )


@command.command()
@click.option("--notice-days", type=int, help="The least days of notice before a model is retired.")
@click.option("--zone", help="Where its days are counted, such as Europe/Berlin.")
@click.option("--why", required=True, help="The reason, for the public.")
@click.pass_obj
def revise(home: Home, notice_days: int | None, zone: str | None, why: str) -> None:
    """Change what is promised from now on. Notices that were given keep the promise of their day."""
    with home.open() as house, house.works.write() as work:
        entry = registry.revise_organisation(
            work.log, why=why, by=home.actor(), notice_days=notice_days, zone=zone
        )
        here = registry.organisation(work.log)
    click.echo(f"{here.name} promises {here.notice_days} days of notice, in {here.zone} (entry {entry.seq}).")
