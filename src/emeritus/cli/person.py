"""`emeritus person`: people who may act."""

import click

from emeritus.cli.house import Home
from emeritus.core.errors import NotFound
from emeritus.core.people import person
from emeritus.registry import add_person, people, revise_person, set_mail
from emeritus.registry.organisation import ROLES, Role, acting


@click.group()
def command() -> None:
    """Add people who may act, and sign them in at the desk."""


@command.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLES))
@click.pass_obj
def add(home: Home, name: str, roles: tuple[Role, ...]) -> None:
    """Let NAME act as a steward, a reviewer, or both, beside what they are already.

    Until there is a steward, people add themselves; a demonstration's scripts do not count.
    """
    somebody = person(name)
    with home.open() as house:
        with house.works.write() as work:
            if any("steward" in one.roles and not one.actor.is_scripted for one in people(work.log)):
                by = acting(work.log, home.actor(), "steward", "add a person")
            else:
                by = home.actor() if home.name else somebody
            added = add_person(work.log, somebody, roles, by)
        token = house.desk_tokens.issue(somebody)
    click.echo(f"{somebody.name} may act as {' and '.join(added.roles)}.")
    click.echo(f"Desk token, shown once: {token}")


@command.command(name="list")
@click.pass_obj
def list_(home: Home) -> None:
    """List everybody who may act."""
    with home.open() as house, house.works.read() as work:
        for somebody in people(work.log):
            click.echo(f"{somebody.actor.name}  ({', '.join(somebody.roles)})")


@command.command(name="sign-in")
@click.argument("name")
@click.pass_obj
def sign_in(home: Home, name: str) -> None:
    """Make a new desk token for NAME."""
    with home.open() as house:
        with house.works.read() as work:
            known = {somebody.actor.name: somebody.actor for somebody in people(work.log)}
        if name not in known:
            raise NotFound(
                f"Nobody here is called {name[:80]!r}.",
                next_step=f"Those who are here: {', '.join(known) or 'nobody yet'}.",
            )
        click.echo(house.desk_tokens.issue(known[name]))


@command.command(name="sign-out")
@click.argument("name")
@click.pass_obj
def sign_out(home: Home, name: str) -> None:
    """End every desk token of NAME; whoever sits at the desk with one is signed out at once."""
    somebody = person(name)
    with home.open() as house:
        if home.actor() != somebody:
            with house.works.read() as work:
                acting(work.log, home.actor(), "steward", "sign somebody else out")
        ended = house.desk_tokens.end(somebody)
    click.echo(f"{ended} token{'s' * (ended != 1)} of {somebody.name} ended.")


@command.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLES))
@click.option("--why", required=True, help="The reason, for the public.")
@click.pass_obj
def revise(home: Home, name: str, roles: tuple[Role, ...], why: str) -> None:
    """Have NAME act in these roles and no others from now on."""
    somebody = person(name)
    with home.open() as house, house.works.write() as work:
        revised = revise_person(work.log, somebody, roles, why=why, by=home.actor())
    assert revised is not None
    click.echo(f"{somebody.name} may act as {' and '.join(revised.roles)}.")


@command.command()
@click.argument("name")
@click.option("--why", required=True, help="The reason, for the public.")
@click.pass_obj
def leave(home: Home, name: str, why: str) -> None:
    """Have NAME act here no more. What they did stays on the record; their desk tokens end."""
    somebody = person(name)
    with home.open() as house:
        with house.works.write() as work:
            revise_person(work.log, somebody, (), why=why, by=home.actor())
        house.desk_tokens.end(somebody)
    click.echo(f"{somebody.name} acts here no more.")


@command.command()
@click.argument("name")
@click.argument("address", required=False, default="")
@click.pass_obj
def mail(home: Home, name: str, address: str) -> None:
    """Keep where NAME is reached by mail, for reminders; without an ADDRESS, forget it. It stays private."""
    with home.open() as house, house.works.write() as work:
        set_mail(work.log, work.private, person(name), address, by=home.actor())
    click.echo(f"{name} {'is reminded by mail' if address else 'is not reminded by mail any more'}.")
