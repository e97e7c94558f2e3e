"""`emeritus access`: members, applications, grants and keys."""

from datetime import timedelta

import click

from emeritus.cli import access_members, access_policy, access_rules, access_usage
from emeritus.cli.house import Home, day, say_json
from emeritus.ledger.aftercare import TIERS, Tier
from emeritus.registry.organisation import acting

TOLD = {
    "none": "nobody",
    "on-request": "whoever is granted them",
    "members": "every member, and others on request",
    "public": "everybody",
}


@click.group()
def command() -> None:
    """Members, applications, grants and keys."""


@command.command()
@click.argument("name")
@click.option("--plan", required=True)
@click.option("--mail", help="Where notices go. It stays private.")
@click.pass_obj
def join(home: Home, name: str, plan: str, mail: str | None) -> None:
    """Let NAME in as a member, with a key that works at once. Who they are stays private."""
    from emeritus.access import members

    with home.open() as house, house.works.write() as work:
        by = acting(work.log, home.actor(), "steward", "let a member in")
        member = members.join(work.log, work.private, house.clock, name=name, plan=plan, by=by, mail=mail)
        issued = members.issue_key(work.log, work.keys, house.clock, member.id, label=plan)
    click.echo(f"{member.id} is a member ({plan}).")
    click.echo(f"Key, shown once: {issued.text}")


@command.command()
@click.argument("member")
@click.pass_obj
def lapse(home: Home, member: str) -> None:
    """End a membership: access ends with the next call, and the member is told by mail."""
    from emeritus.access import members
    from emeritus.process.joining import farewell

    with home.open() as house, house.works.write() as work:
        by = acting(work.log, home.actor(), "steward", "end a membership")
        size = work.log.size()
        members.lapse(work.log, member, by)
        known = {each.id: each for each in members.all_members(work.log, work.private)}
        if work.log.size() > size and member in known:
            farewell(work, house.parts.site_url, known[member])
    click.echo(f"{member} is no member any more.")


@command.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def applications(home: Home, as_json: bool) -> None:
    """List applications."""
    import msgspec

    from emeritus.access.applications import applications as all_applications

    with home.open() as house, house.works.read() as work:
        found = all_applications(work.log)
    if as_json:
        say_json(msgspec.to_builtins(found))
        return
    if not found:
        click.echo("Nobody has applied yet.")
    for one in found:
        wanted = ", ".join(one.models) + ("  and the weights" if one.weights else "")
        click.echo(f"{one.id}  {day(one.received_at)}  {one.status:10}  {wanted}")


@command.command()
@click.argument("application")
@click.pass_obj
def show(home: Home, application: str) -> None:
    """Show who applies, and what for. This is private: it is not on the public record."""
    from emeritus.access import applicants, declared
    from emeritus.access import applications as room
    from emeritus.access.objections import objections

    with home.open() as house, house.works.read() as work:
        found = room.get_application(work.log, application)
        facts = applicants.applicant(work.private, application)
        rules = declared.against(work.log, work.private, found, house.clock.now())
        against = [*objections(work.log, found), *(rule.says for rule in rules)] if found.open else []
        appealed = applicants.appeal_of(work.private, application)
    click.echo(f"{found.id}  {day(found.received_at)}  {found.status}  {', '.join(found.models)}")
    for name in ("who", "contact", "purpose"):
        click.echo(f"  {name:8} {facts[name]}")
    if found.reason:
        click.echo(f"  {'reason':8} {found.reason}")
    if appealed is not None:
        click.echo(f"  {'appeal':8} {appealed}")
    for objection in against:
        click.echo(f"  {'against':8} {objection}")


@command.command()
@click.argument("application")
@click.option("--why", required=True, help="What speaks for another answer. Kept private.")
@click.pass_obj
def appeal(home: Home, application: str, why: str) -> None:
    """Take down an appeal that reached you another way. A refusal can be appealed once."""
    from emeritus.access import applications as room
    from emeritus.process import applying

    with home.open() as house, house.works.write() as work:
        by = acting(work.log, home.actor(), "steward", "take down an appeal")
        appealed = room.appeal(work.log, work.private, application, why=why, by=by)
        applying.acknowledge_appeal(work, house.parts.site_url, appealed)
    click.echo(
        f"{application} is appealed. Next: emeritus access grant {application}, or refuse it for good."
    )


@command.command()
@click.argument("application")
@click.option("--reason", required=True, help="For the public.")
@click.option("--days", type=int, default=365, show_default=True)
@click.option("--budget", type=int, help="Tokens altogether. [default: no bound]")
@click.option("--rate", type=int, help="Calls a minute. [default: no bound]")
@click.option("--model", "models", multiple=True, help="Only this one of those asked for; again for more.")
@click.option("--weights", is_flag=True, help="Hand out the weights too, which cannot be called back.")
@click.pass_obj
def grant(
    home: Home,
    application: str,
    reason: str,
    days: int,
    budget: int | None,
    rate: int | None,
    models: tuple[str, ...],
    weights: bool,
) -> None:
    """Grant an application, and make its key. The weights that it asks for need --weights too."""
    from emeritus.access import grants
    from emeritus.process import applying

    with home.open() as house, house.works.write() as work:
        decided = applying.answer(
            work,
            house.clock,
            house.parts.site_url,
            application,
            grant=True,
            reason=reason,
            by=home.actor(),
            days=days,
            budget=budget,
            rate=rate,
            models=models or None,
            weights=weights,
        )
        assert decided.grant is not None
        issued = grants.issue_key(work.log, work.keys, house.clock, decided.grant)
    click.echo(f"{decided.grant} is made.")
    click.echo(f"Key, shown once: {issued.text}")


@command.command()
@click.argument("application")
@click.option("--reason", required=True, help="For the applicant, and for the public.")
@click.pass_obj
def refuse(home: Home, application: str, reason: str) -> None:
    """Refuse an application; the applicant can appeal once."""
    from emeritus.process import applying

    with home.open() as house, house.works.write() as work:
        applying.answer(
            work,
            house.clock,
            house.parts.site_url,
            application,
            grant=False,
            reason=reason,
            by=home.actor(),
        )
    click.echo(f"{application} is refused.")


@command.command()
@click.argument("grant_id", metavar="GRANT")
@click.option("--reason", required=True)
@click.pass_obj
def revoke(home: Home, grant_id: str, reason: str) -> None:
    """End a grant: access ends with the next call."""
    from emeritus.access import grants

    with home.open() as house, house.works.write() as work:
        grants.revoke_grant(work.log, grant_id, reason=reason, by=home.actor())
    click.echo(f"{grant_id} is revoked.")


@command.command()
@click.argument("model")
@click.option(
    "--to",
    "tier",
    type=click.Choice(TIERS),
    required=True,
    help="Who may have them: nobody, whoever is granted it, every member too, everybody.",
)
@click.option("--reason", required=True, help="For the public.")
@click.pass_obj
def weights(home: Home, model: str, tier: Tier, reason: str) -> None:
    """Decide who may download the weights of MODEL. Until somebody does, nobody may.

    What was handed out cannot be called back; a later decision holds for later downloads.
    """
    from emeritus.access.downloads import decide_downloads

    with home.open() as house, house.works.write() as work:
        decided = decide_downloads(work.log, model, tier=tier, reason=reason, by=home.actor())
    click.echo(f"Entry {decided.entry}: the weights of {model} are for {TOLD[tier]}.")
    if tier != "none":
        click.echo(f"  HF_ENDPOINT={house.settings.site_url.rstrip('/')} hf download {model}")


@command.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def keys(home: Home, as_json: bool) -> None:
    """List keys (never the keys themselves)."""
    import msgspec

    with home.open() as house, house.works.read() as work:
        found = work.keys.all()
    if as_json:
        say_json([{k: v for k, v in msgspec.to_builtins(key).items() if k != "hash"} for key in found])
        return
    for key in found:
        state = "revoked" if key.revoked_at else f"until {day(key.expires_at)}" if key.expires_at else "lives"
        used = day(key.last_used_at) or "never"
        click.echo(f"{key.id}  {key.kind:7} {state:18} last used {used:10}  {key.holder}")


@command.command()
@click.argument("key_id", metavar="KEY")
@click.option("--end", is_flag=True, help="Only end it, and make no other.")
@click.option("--overlap", type=float, default=0.0, metavar="HOURS", help="Let KEY work on for so long.")
@click.pass_obj
def rotate(home: Home, key_id: str, end: bool, overlap: float) -> None:
    """End KEY, which was lost or told, and make another one like it."""
    from emeritus.access import keys as api_keys

    with home.open() as house, house.works.write() as work:
        acting(work.log, home.actor(), "steward", "end a key")
        if end:
            work.keys.revoke(key_id, house.clock.now())
            issued = None
        else:
            beside = timedelta(hours=max(-1.0, min(overlap, 10_000.0)))
            issued = api_keys.rotate(work.keys, house.clock, key_id, overlap=beside)
    click.echo(f"{key_id} {f'ends in {overlap:g} hours' if overlap and not end else 'has ended'}.")
    if issued is not None:
        click.echo(f"Key, shown once: {issued.text}")


# Commands that live in files of their own.
for each in (
    *access_members.commands,
    *access_policy.commands,
    *access_rules.commands,
    *access_usage.commands,
):
    command.add_command(each)
