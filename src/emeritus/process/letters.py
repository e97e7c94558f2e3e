"""The words of letters about access: short, kind, and each with what comes next. Who gets one is private."""

from collections.abc import Sequence

from emeritus.access.applications import Application
from emeritus.access.members import Member
from emeritus.access.policy import Policy
from emeritus.process.ports import Letter
from emeritus.registry import Model
from emeritus.registry.migration import Changes


def received(application: Application, to: str, house: str, site: str) -> Letter:
    """Say that an application has arrived, and where it can be followed."""
    text = f"""Thank you. Your application for access to {_listed(application.models)} has arrived at {house}.

It has the number {application.id}. Access is granted unless there is a reason not to; a refusal always says why, and
you can ask once for it to be looked at again. Here you see how it stands:

{site}/access/applications/{application.id}

The receipt that you were shown opens it: you need it to fetch your key, or to appeal.

If you did not apply, somebody gave your address; then there is nothing to do, and no more mail follows but the answer.
"""
    return Letter(
        f"application:{application.id}:received", to, "Your application has arrived", text, kind="access"
    )


def answered(application: Application, to: str, house: str, site: str) -> Letter:
    """Say what was decided, why, and what to do next."""
    page = f"{site}/access/applications/{application.id}"
    if application.status == "granted":
        subject = "Access is granted"
        then = f"Fetch your key with the receipt that you were shown:\n\n{page}"
    else:
        subject = "Your application was refused"
        then = (
            f"You can ask once for it to be looked at again, with the receipt that you were shown:\n\n{page}"
            if application.can_appeal
            else f"It was looked at again, and this answer is final. A new application can always be made:\n\n"
            f"{site}/access/apply"
        )
    by = f"{application.by.name} of {house}" if application.by and application.by.kind == "person" else house
    text = f"""{by} answered your application for access to {_listed(application.models)}:
it was {application.status}.

The reason:

{application.reason}

{then}
"""
    key = f"application:{application.id}:answered:{application.appeals}"
    return Letter(key, to, subject, text, kind="access")


def appealed(application: Application, to: str, house: str, site: str) -> Letter:
    """Say that an appeal has arrived."""
    text = f"""Your appeal has arrived at {house}. A person looks at your application again, another one than before where
there is one, and you hear from us:

{site}/access/applications/{application.id}
"""
    return Letter(
        f"application:{application.id}:appealed", to, "Your appeal has arrived", text, kind="access"
    )


def welcome(member: Member, claim: str, to: str, house: str, site: str, turn: int) -> Letter:
    """Tell a new member where to fetch their key. *claim* is what opens it, once."""
    text = f"""Welcome, {member.name}. You are a member of {house} ({member.plan}).

With a key you reach every model that members may reach, retired ones too, by the OpenAI and the Anthropic clients.
Fetch yours here; it is shown once, and this address works once, within 30 days:

{site}/access/claim?code={claim}
"""
    return Letter(f"member:{member.id}:welcome:{turn}", to, f"Your key for {house}", text, kind="access")


def lapsed(member: Member, to: str, house: str, site: str, turn: int) -> Letter:
    """Say that a membership is over, and thank for it."""
    text = f"""Thank you for having been a member of {house}. Your membership has ended, and your keys with it.

If you come back, the same keys work again. Without a membership you can still apply for access to a model:

{site}/access/apply
"""
    return Letter(
        f"member:{member.id}:lapsed:{turn}", to, f"Your membership of {house} has ended", text, kind="access"
    )


def leaving(
    model: Model,
    successor: Model | None,
    changes: Changes | None,
    decided: Policy | None,
    *,
    key: str,
    to: str,
    house: str,
    site: str,
    last: bool,
) -> Letter:
    """Tell somebody who uses *model* that it leaves, from when on, and what to do. *last*: the day is near."""
    page = f"{site}/models/{model.id}"
    when = f"{model.retires_on:%d %B %Y}" if model.retires_on else "a day to be named"
    first = (
        f"Once more, because the day is near: {model.display_name} ({model.id}) is retired on {when}."
        if last
        else f"You use {model.display_name} ({model.id}). {house} retires it on {when}."
    )
    instead = (
        f"Its replacement is {successor.display_name}; call it as {successor.id}, at the same address."
        if successor
        else "It has no replacement."
    )
    parts = [
        first,
        f"Why: {model.reason}",
        instead,
        f"What changes for you:\n\n{changes.text}" if changes else "",
        _afterwards(decided),
        f"Every step, with its dates:\n\n{page}",
        f"You get this letter because a key of yours was used for {model.display_name}, or was granted for it.",
    ]
    subject = f"{model.display_name} is retired on {when}"
    return Letter(key, to, subject, "\n\n".join(part for part in parts if part) + "\n", kind="retirement")


def _afterwards(decided: Policy | None) -> str:
    if decided is None:
        return "Retired does not mean out of reach: who may call it afterwards is being decided, and you can apply."
    return {
        "none": "After that day nobody can call it.",
        "on-request": "After that day whoever finds value in it can apply to go on calling it.",
        "members": "After that day members go on calling it, with nothing to ask for; others can apply.",
        "public": "After that day everybody can go on calling it.",
    }[decided.tier]


def _listed(models: Sequence[str]) -> str:
    return ", ".join(models)
