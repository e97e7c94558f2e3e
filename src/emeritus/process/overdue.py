"""Overdue: stewards, and whoever a promise is the business of, are told by mail what went late or broke: once a day."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from emeritus import ledger
from emeritus.core.people import SOFTWARE, Actor
from emeritus.ledger import Followed
from emeritus.process.plan import Step
from emeritus.process.ports import Letter, Parts, Work
from emeritus.process.stages import OVERDUE
from emeritus.record import Act, Entry
from emeritus.registry import Person, get_model, mail_of, organisation, people

SUBJECT = "promises"
TOGETHER = timedelta(hours=1)
"""So long after the first that it tells of a letter goes: what goes late at one midnight is one letter."""
EVERY = timedelta(days=1)
KINDS = frozenset({"promises.told"})


def due(work: Work, now: datetime) -> list[Step]:
    """Return the step that tells of what was found since the last letter, once it may go and somebody can get it."""
    told = _told(work)
    found = _found(work, told)
    if not found or not _reachable(work):
        return []
    when = found[0].at + TOGETHER
    if told is not None:
        when = max(when, told.at + EVERY)
    return [Step(OVERDUE, SUBJECT, "due", "tell what is overdue", when=when)] if now >= when else []


def stride(parts: Parts, _subject: str) -> bool:
    """Send one letter to each whose business it is, with all that was found and still is so; put on record that."""
    with parts.work() as work:
        now = parts.clock.now()
        if not due(work, now):
            return False
        found = _found(work, _told(work))
        wanting = _wanting(work, found, now)
        sent = 0
        for person, address in _reachable(work).items():
            mine = [each for each in wanting if _concerns(person, each)]
            if mine:
                sent += 1
                work.post.send(_letter(work, person.actor, address, mine, found[-1].seq, parts.site_url))
        body = {"through": found[-1].seq, "promises": len(wanting), "people": sent}
        work.log.append(Act("promises.told", body, SOFTWARE, key=f"promises.told:{found[-1].seq}"))
    return False


def _told(work: Work) -> Entry | None:
    return next(iter(work.log.entries(kinds=KINDS, newest_first=True, limit=1)), None)


def _found(work: Work, told: Entry | None) -> list[Entry]:
    """Return what was found late or broken since the last letter."""
    begin = 0 if told is None else told.body["through"] + 1
    found = work.log.entries(kinds={"commitment.checked"}, begin=begin)
    return [entry for entry in found if entry.body["state"] in (ledger.State.LATE, ledger.State.BROKEN)]


def _wanting(work: Work, found: Sequence[Entry], now: datetime) -> list[Followed]:
    """Return the promises that *found* is about and that somebody has to do something about still."""
    names = {entry.subject for entry in found}
    models = dict.fromkeys(entry.model or "" for entry in found)
    promises = [each for model in models for each in ledger.follow(work.log, model, now)]
    return [each for each in promises if each.commitment.id in names and each.standing.wants_attention]


def _reachable(work: Work) -> Mapping[Person, str]:
    known = {each: mail_of(work.private, each.actor) for each in people(work.log)}
    return {each: address for each, address in known.items() if address is not None}


def _concerns(person: Person, promise: Followed) -> bool:
    return "steward" in person.roles or person.actor.name == promise.commitment.owner


def _letter(
    work: Work, actor: Actor, address: str, promises: Sequence[Followed], through: int, site_url: str
) -> Letter:
    house = organisation(work.log).name
    models = {each.commitment.model: get_model(work.log, each.commitment.model) for each in promises}
    first = promises[0]
    subject = f"A promise to {models[first.commitment.model].display_name} is {first.standing.state}"
    if len(promises) > 1:
        subject = f"{len(promises)} promises to models are late or broken"
    listed = "\n\n".join(
        f"To {models[each.commitment.model].display_name}:\n\n    {each.commitment.what}\n\n"
        f"{each.standing.says()} It is the business of {each.commitment.owner}."
        for each in promises
    )
    return Letter(
        key=f"promises-told:{through}:{actor}",
        to=address,
        subject=subject,
        text=(
            f"{house} promised, and it is overdue or broken:\n\n{listed}\n\n"
            f"Readers see it at the top of {site_url}/promises, with what counts for it and against it.\n\n"
            "What to do: see to it, or decide anew and say why; what was promised stays on the record.\n"
            f"On the command line: {', '.join(f'emeritus promises {model}' for model in models)}\n"
        ),
        kind="overdue",
    )
