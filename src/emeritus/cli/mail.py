"""`emeritus mail`: what waits to be mailed, what came back, and what the DNS has to say."""

import secrets
import sys

import click

from emeritus.cli.house import Home, day, say_json
from emeritus.core.errors import InvalidInput
from emeritus.core.wording import count


@click.group()
def command() -> None:
    """Show what waits to be mailed, and what the DNS has to say."""


@command.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def status(home: Home, as_json: bool) -> None:
    """Count the letters: what waits, what was sent, what was given up or came back."""
    with home.open() as house, house.works.read() as work:
        found, readers = work.post.tally(), work.subscribers.count()
        ready = house.parts.postman is not None
    if as_json:
        letters = [
            {"kind": e.kind, "state": e.state, "count": e.count, "since": e.since, "said": e.said}
            for e in found
        ]
        say_json({"ready": ready, "readers": readers, "letters": letters})
        return
    if not ready:
        click.secho(
            "No mail server is named, so letters wait: set smtp_host and mail_from in settings.toml.",
            fg="yellow",
        )
    for each in found:
        click.echo(f"{each.kind:14} {each.state:8} {each.count:8}  since {day(each.since)}  {each.said}")
    if not found:
        click.echo("No letter was written yet.")
    if readers:
        click.echo("Readers: " + ", ".join(f"{count} {state}" for state, count in sorted(readers.items())))


@command.command()
@click.pass_obj
def dns(home: Home) -> None:
    """Print the DNS records with which receivers believe this house's mail."""
    from emeritus.wiring import dkim_key

    with home.open() as house:
        settings = house.settings
        if not settings.mail_from:
            raise InvalidInput(
                "The settings name no sender, so there is no domain to make records for.",
                next_step="Add to settings.toml: mail_from = 'column@YOUR.DOMAIN'.",
            )
        key = dkim_key(settings)
    click.echo(key.zone_line)
    click.echo(f'_dmarc.{key.domain}. IN TXT "v=DMARC1; p=quarantine; adkim=s"')
    click.echo(f'{key.domain}. IN TXT "v=spf1 a:{settings.smtp_host or "YOUR.MAIL.SERVER"} -all"')
    click.echo(
        "\nThe first is this house's own. Join the others with what your domain has: it can have one SPF record,"
        "\nwhich has to name every server that sends for it.",
        err=True,
    )


@command.command()
@click.argument("address")
@click.pass_obj
def test(home: Home, address: str) -> None:
    """Put a letter to ADDRESS into the outbox; a worker sends it."""
    from emeritus.process.ports import Letter

    with home.open() as house, house.works.write() as work:
        text = (
            "This letter shows that mail from this house arrives.\n\nLook at its headers for 'dkim=pass'.\n"
        )
        work.post.send(
            Letter(f"test:{secrets.token_hex(8)}", address, "Does mail arrive?", text, kind="test")
        )
        ready = house.parts.postman is not None
    click.echo(
        "It is in the outbox. A worker sends it: `emeritus work` or `emeritus serve`."
        if ready
        else "It is in the outbox, and waits there until smtp_host and mail_from are set."
    )


@command.command()
@click.option("--kind", required=True, help="Of which kind, as `emeritus mail status` names it.")
@click.pass_obj
def drop(home: Home, kind: str) -> None:
    """Give up letters of a kind that still wait; they are never sent."""
    with home.open() as house, house.works.write() as work:
        count = work.post.drop(kind=kind)
    click.echo(f"{count} letters were given up.")


@command.command()
@click.pass_obj
def bounce(home: Home) -> None:
    """Read one undeliverable mail from standard input, as a mail server pipes it.

    Ends with 0 also where it is about no letter of ours: a mail server would send an error back otherwise.
    """
    from emeritus.post import read_bounce
    from emeritus.post.bounce import MOST_BYTES
    from emeritus.process import mail

    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        found = read_bounce(data)
    except InvalidInput as why:
        click.echo(str(why), err=True)
        return
    with home.open() as house, house.works.write() as work:
        for each in found:
            mail.came_back(work, each.letter, hard=each.hard, said=each.said)
            click.echo(f"{each.letter}: {'no such mailbox' if each.hard else 'not delivered'} ({each.said})")
    if not found:
        click.echo("It tells of a delay only.")


@command.command()
@click.argument("address")
@click.option("--erase", is_flag=True, help="Erase all of it.")
@click.pass_obj
def person(home: Home, address: str, erase: bool) -> None:
    """Show, as JSON, all that is kept about ADDRESS as a reader; or erase it."""
    from emeritus.core.address import mail_address
    from emeritus.process import subscribe

    if erase:
        with home.open() as house, house.works.write() as work:
            erased = subscribe.erase(work, address)
        click.echo(f"Erased: {count(erased, 'subscription')}, with the letters that waited.")
        return
    with home.open() as house, house.works.read() as work:
        found = work.subscribers.of(mail_address(address))
    say_json([subscribe.kept_about(each) for each in found])
