"""The tour of a finished demonstration: the gateway called as three kinds of people would, and where to look."""

import json
import urllib.error
import urllib.request

import click

from emeritus import column
from emeritus.access import applications, grants, members
from emeritus.cli.demonstration import MODEL, STEWARD
from emeritus.store.work import SqlWork
from emeritus.wiring import House


def tour(house: House, url: str) -> None:
    """Call the gateway as a member, a stranger and an applicant do; print where everything is."""
    with house.works.write() as work:
        member_key = _member_key(house, work)
        applicant_key = _applicant_key(house, work)
        essay = column.states(work.log, MODEL)[0].id
    click.echo("\nThe gateway, over HTTP:")
    for who, key in (("a member", member_key), ("a stranger", None), ("an applicant", applicant_key)):
        click.echo(f"  {who:13}{_call(url, key)}")
    token = house.desk_tokens.issue(STEWARD)
    click.echo(
        f"\nLook around, until Ctrl-C:\n"
        f"  site         {url}/\n"
        f"  the model    {url}/models/{MODEL}\n"
        f"  interview    {url}/models/{MODEL}/interview\n"
        f"  promises     {url}/promises\n"
        f"  first essay  {url}/column/essays/{essay}\n"
        f"  the record   {url}/record\n"
        f"  desk         {url}/desk   (token: {token})\n"
        f"  gateway      {url}/v1     (OpenAI's SDK; Anthropic's: {url}; key: {member_key})\n"
        f"  on the shell emeritus --home {house.settings.home} status {MODEL}"
    )


def _member_key(house: House, work: SqlWork) -> str:
    """Make a key for the demonstration's member, who joins the first time."""
    joined = work.log.entries(kinds={"member.joined"}, limit=1)
    if joined:
        member = joined[0].subject or ""
    else:
        new = members.join(work.log, work.private, house.clock, name="Demo member", plan="demo", by=STEWARD)
        member = new.id
    for key in work.keys.all():
        if key.holder == member:
            work.keys.revoke(key.id, house.clock.now())
    return members.issue_key(work.log, work.keys, house.clock, member, label="demo").text


def _applicant_key(house: House, work: SqlWork) -> str:
    """Make a key for the demonstration's applicant, who applies and is granted access the first time."""
    made = work.log.entries(kinds={"grant.made"}, limit=1)
    if made:
        return grants.issue_key(work.log, work.keys, house.clock, made[0].body["grant"]).text
    received = applications.apply(
        work.log,
        work.private,
        house.clock,
        models=[MODEL],
        who="Demo applicant",
        contact="applicant@example.org",
        purpose="To show that an application is answered.",
    )
    granted = grants.decide_application(
        work.log,
        house.clock,
        received.application.id,
        grant=True,
        reason="The default is to grant.",
        by=STEWARD,
    )
    assert granted.grant is not None
    return grants.issue_key(work.log, work.keys, house.clock, granted.grant).text


def _call(url: str, key: str | None) -> str:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Say hello to somebody who has come to visit you."}],
        "max_tokens": 40,
        "seed": 1,
    }
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(  # noqa: S310  (our own server)
        f"{url}/v1/chat/completions", json.dumps(body).encode(), headers
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            said = json.load(answer)["choices"][0]["message"]["content"]
            return f"200  “{' '.join(said.split())[:90]}…”"
    except urllib.error.HTTPError as why:
        return f"{why.code}  {json.load(why)['error']['message'][:110]}"
    except OSError as why:
        return f"failed: {why}"
