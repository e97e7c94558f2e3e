"""What speaks against granting by itself: declared rules, as data, adopted on the record by a steward.

A rule never refuses anybody. It keeps the software from granting, until a person has looked.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from emeritus.access import applicants, applications
from emeritus.access.applications import Application
from emeritus.access.grants import get_grant
from emeritus.core import script
from emeritus.core.address import mail_address
from emeritus.core.digests import sha256
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.core.people import Actor, require_person
from emeritus.core.script import Part
from emeritus.record import Act, Log
from emeritus.record.private import Private
from emeritus.registry.organisation import acting

FORMAT: Final = "access-rules/1"
DEFAULT: Final = "grant-widely-v1"
_SHIPPED = resources.files("emeritus.access") / "rules"


@frozen
class When:
    """The conditions of a rule; it speaks against an application where all that are given hold.

    *more_than* counts the contact's applications of the last *within_days*, this one too. *contact_domains*
    are domains of mail addresses, with everything below them. *purpose_mentions* are words, in any case.
    """

    refused_within_days: int | None = None
    revoked_within_days: int | None = None
    more_than: int | None = None
    within_days: int | None = None
    models_more_than: int | None = None
    models: tuple[str, ...] = ()
    contact_domains: tuple[str, ...] = ()
    contact_is_no_address: bool = False
    purpose_shorter_than: int | None = None
    purpose_mentions: tuple[str, ...] = ()


@frozen
class Rule:
    """One rule: its name, what it says to the public, and when it holds."""

    id: str
    says: str
    when: When


@frozen
class Rules:
    """A set of rules as read. *data* are the bytes of its file, *digest* names them."""

    name: str
    says: str
    rules: tuple[Rule, ...]
    data: bytes = field(repr=False, eq=False)
    digest: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "digest", sha256(self.data))


_DAYS = ("refused_within_days", "revoked_within_days", "within_days")
_COUNTS = ("more_than", "models_more_than", "purpose_shorter_than")
_LISTS = ("models", "contact_domains", "purpose_mentions")
_FLAGS = ("contact_is_no_address",)


def load(name_or_path: str | Path) -> Rules:
    """Read rules that come with Emeritus, by name, or a file of one's own. Raises NotFound, InvalidInput."""
    return parse(*script.find(name_or_path, _SHIPPED, what="set of rules"))


@lru_cache(maxsize=16)
def parse(data: bytes, file: str) -> Rules:
    """Read the bytes of a file of rules. Raises InvalidInput, naming the line."""
    top = script.read(data, file).map(("format", "name", "says", "rules"))
    top["format"].choice(FORMAT)
    rules: dict[str, Rule] = {}
    for part in top["rules"].list():
        keys = part.map(("id", "says", "when"))
        rule = Rule(keys["id"].id(), keys["says"].text(most=300), _when(keys["when"]))
        if rule.id in rules:
            keys["id"].fail(f"{rule.id!r} stands here twice.")
        rules[rule.id] = rule
    return Rules(top["name"].id(), top["says"].text(most=2000), tuple(rules.values()), data)


def _when(part: Part) -> When:
    keys = part.map((), (*_DAYS, *_COUNTS, *_LISTS, *_FLAGS))
    if not keys:
        part.fail("a rule without a condition would speak against everybody.")
    if ("more_than" in keys) != ("within_days" in keys):
        part.fail("'more_than' and 'within_days' go together.")
    told: dict[str, Any] = {name: keys[name].integer(1, 3650) for name in _DAYS if name in keys}
    told |= {name: keys[name].integer(1, 100_000) for name in _COUNTS if name in keys}
    told |= {name: keys[name].flag() for name in _FLAGS if name in keys}
    told |= {
        name: tuple(item.text(most=200).lower() for item in keys[name].list(least=1))
        for name in _LISTS
        if name in keys
    }
    return When(**told)


def adopt(log: Log, rules: Rules, *, reason: str, by: Actor) -> Rules:
    """Have *rules* hold from now on. Their whole text goes on the record. Adopting them again changes nothing.

    Raises:
        NotPermitted: *by* is no steward. InvalidInput: no reason.
    """
    acting(log, require_person(by, "say what speaks against granting"), "steward", "adopt rules")
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    if in_force(log).digest != rules.digest:
        turn = len(log.entries(kinds={"rules.adopted"}))
        body = {
            "name": rules.name,
            "digest": rules.digest,
            "text": rules.data.decode(),
            "reason": reason.strip(),
        }
        log.append(Act("rules.adopted", body, by, subject=rules.name, key=f"rules.adopted:{turn}"))
    return in_force(log)


def in_force(log: Log) -> Rules:
    """Return the rules that hold now: those adopted last, else those that come with Emeritus."""
    found = log.entries(kinds={"rules.adopted"}, newest_first=True, limit=1)
    if not found:
        return load(DEFAULT)
    return parse(found[0].body["text"].encode(), f"entry {found[0].seq}")


def against(
    log: Log, private: Private, application: Application, now: datetime, rules: Rules | None = None
) -> list[Rule]:
    """Return the rules that keep the software from granting this by itself; those in force unless given others.

    Of somebody whose facts were forgotten, nothing is known that could speak against them.
    """
    chosen = in_force(log) if rules is None else rules
    try:
        facts = applicants.applicant(private, application.id)
    except NotFound:
        return []
    history = _history(log, private, application, facts["contact"])
    return [rule for rule in chosen.rules if _holds(log, rule.when, application, facts, history, now)]


def _history(log: Log, private: Private, application: Application, contact: str) -> list[Application]:
    found = []
    for name in applicants.of_contact(private, contact):
        each = applications.get_application(log, name)
        if each.received_at <= application.received_at:
            found.append(each)
    return found


def _holds(
    log: Log, when: When, asked: Application, facts: Any, history: list[Application], now: datetime
) -> bool:
    others = [each for each in history if each.id != asked.id]
    checks = (
        when.refused_within_days is None
        or any(
            each.status == "refused" and _within(each.decided_at, now, when.refused_within_days)
            for each in others
        ),
        when.revoked_within_days is None
        or any(_revoked_within(log, each, now, when.revoked_within_days) for each in others),
        when.more_than is None
        or sum(_within(each.received_at, asked.received_at, when.within_days or 1) for each in history)
        > when.more_than,
        when.models_more_than is None or len(asked.models) > when.models_more_than,
        not when.models or bool(set(when.models) & set(asked.models)),
        not when.contact_domains or _in_domains(facts["contact"], when.contact_domains),
        not when.contact_is_no_address or _domain(facts["contact"]) is None,
        when.purpose_shorter_than is None or len(facts["purpose"]) < when.purpose_shorter_than,
        not when.purpose_mentions or any(word in facts["purpose"].lower() for word in when.purpose_mentions),
    )
    return all(checks)


def _within(at: datetime | None, now: datetime, days: int) -> bool:
    return at is not None and now - at <= timedelta(days=days)


def _revoked_within(log: Log, application: Application, now: datetime, days: int) -> bool:
    return application.grant is not None and _within(get_grant(log, application.grant).revoked_at, now, days)


def _domain(contact: str) -> str | None:
    try:
        return mail_address(contact).rpartition("@")[2]
    except InvalidInput:
        return None


def _in_domains(contact: str, domains: tuple[str, ...]) -> bool:
    domain = _domain(contact)
    return domain is not None and any(domain == each or domain.endswith(f".{each}") for each in domains)
