"""`emeritus access rules | adopt-rules`: what keeps an application from being granted by itself."""

import click

from emeritus.cli.house import Home


@click.command()
@click.pass_obj
def rules(home: Home) -> None:
    """Show the rules in force. A rule refuses nobody: it has a person look before access is granted."""
    from emeritus.access import declared

    with home.open() as house, house.works.read() as work:
        standing = declared.in_force(work.log)
        adopted = work.log.entries(kinds={"rules.adopted"}, newest_first=True, limit=1)
        after = house.parts.grant_after
    where = f"entry {adopted[0].seq}" if adopted else "as they come with Emeritus"
    click.secho(f"{standing.name}", bold=True, nl=False)
    click.echo(f"  {where}; {standing.digest}")
    click.echo(f"  {standing.says}")
    for rule in standing.rules:
        click.echo(f"  {rule.id:20} {rule.says}")
    hours = after.total_seconds() / 3600
    click.echo(f"  What nothing speaks against is granted after {hours:g} hours, if nobody was quicker.")


@click.command(name="adopt-rules")
@click.argument("rules", metavar="NAME|FILE")
@click.option("--reason", required=True, help="For the public.")
@click.pass_obj
def adopt_rules(home: Home, rules: str, reason: str) -> None:
    """Have other rules hold from now on; their whole text goes on the record."""
    from emeritus.access import declared

    with home.open() as house, house.works.write() as work:
        standing = declared.adopt(work.log, declared.load(rules), reason=reason, by=home.actor())
    click.echo(f"{standing.name} holds: {len(standing.rules)} rules ({standing.digest}).")


commands = (rules, adopt_rules)
