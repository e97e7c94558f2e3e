"""`emeritus access members | import | key`: who is a member, by list and by hand."""

import sys
from pathlib import Path

import click

from emeritus.cli.house import Home, say_json
from emeritus.core.errors import InvalidInput
from emeritus.registry.organisation import acting

SHOWN = 40


@click.command()
@click.option("--all", "everybody", is_flag=True, help="Those who lapsed, too.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def members(home: Home, everybody: bool, as_json: bool) -> None:
    """List members. Who they are is private: it is not on the public record."""
    import msgspec

    from emeritus.access.members import all_members

    with home.open() as house, house.works.read() as work:
        found = [each for each in all_members(work.log, work.private) if each.active or everybody]
    if as_json:
        say_json(msgspec.to_builtins(found))
        return
    for each in found:
        state = "" if each.active else "  lapsed"
        click.echo(f"{each.id}  {each.plan:12} {each.source:8} {each.name}{state}")
    if not found:
        click.echo("Nobody is a member yet.")


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--many", is_flag=True, help="Also where very many memberships would end.")
@click.pass_obj
def import_(home: Home, file: Path, dry_run: bool, yes: bool, many: bool) -> None:
    """Make the members who come from a list those in FILE: CSV with the columns id, name, plan and mail.

    What would change is shown first. Members from elsewhere (by hand, billing, logins) are left alone.
    """
    from emeritus.access import member_list
    from emeritus.process.joining import import_list

    people = member_list.read(_read(file, member_list.MAX_BYTES))
    with home.open() as house:
        with house.works.read() as work:
            told = member_list.difference(work.log, work.private, people)
        for change in told.changes[:SHOWN]:
            click.echo(change.says())
        if len(told.changes) > SHOWN:
            click.echo(f"… and {len(told.changes) - SHOWN} more")
        click.echo(f"{len(told.changes)} change, {told.same} stay as they are.")
        if dry_run or not told.changes:
            return
        if not yes:
            if not sys.stdin.isatty():
                raise InvalidInput(
                    "Nothing was done: nobody is here to ask.", next_step="Say --yes to do it."
                )
            click.confirm("Do this?", abort=True)
        with house.works.write() as work:
            joined = import_list(
                work, house.clock, house.parts.site_url, told, people, by=home.actor(), many=many
            )
    silent = [member for member in joined if member.mail is None]
    click.echo("Done.")
    if silent:
        click.echo(f"{len(silent)} gave no address: make each a key with `emeritus access key MEMBER`.")


def _read(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most + 1)
    except OSError as why:
        raise InvalidInput(
            f"{file} cannot be read: {why.strerror}.", next_step="Give a file that is there."
        ) from None


@click.command()
@click.argument("member")
@click.option("--label", default="", help="What the key is for, for its holder.")
@click.pass_obj
def key(home: Home, member: str, label: str) -> None:
    """Make another key for MEMBER."""
    from emeritus.access.members import issue_key

    with home.open() as house, house.works.write() as work:
        acting(work.log, home.actor(), "steward", "make a key for a member")
        issued = issue_key(work.log, work.keys, house.clock, member, label=label)
    click.echo(f"Key, shown once: {issued.text}")


commands = (members, import_, key)
