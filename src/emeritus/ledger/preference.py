"""Preferences: what the model summarised of itself, and what a steward confirmed of it.

A *candidate* is the model's own words about what it would prefer, pointing to the utterance that says
them. A *preference* is made of one or more candidates by a steward: confirmed as it is, merged from
several, or split. Nothing is thrown away: a candidate that becomes no preference is set aside with a reason.
"""

from collections.abc import Collection, Sequence

from attrs import frozen

from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.record import Act, Entry, Log


@frozen
class Candidate:
    """One wish of the model's own summary. *utterance* holds the raw words that it stands in."""

    id: str
    topic: str
    wish: str
    utterance: str
    sitting: str = ""


@frozen
class Preference:
    """A wish as a steward confirmed it. *wish* is the wording that is decided on; what it quotes is raw.

    *replaces* are preferences that it was merged or split from, and that stand no more.
    """

    id: str
    model: str
    topic: str
    wish: str
    candidates: tuple[str, ...]
    utterances: tuple[str, ...]
    confirmed_by: Actor
    note: str
    replaces: tuple[str, ...] = ()


def state_candidates(
    log: Log, model: str, sitting: str, stated: Sequence[tuple[str, str]], utterance: str
) -> list[Candidate]:
    """Record the ``(topic, wish)`` pairs of the model's self-summary, all in one entry."""
    items = [
        {"id": f"{sitting}-w{number}", "topic": topic, "wish": wish}
        for number, (topic, wish) in enumerate(stated, start=1)
    ]
    body = {"sitting": sitting, "candidates": items, "utterance": utterance}
    log.append(
        Act(
            "preferences.stated", body, Actor("model", model), model, sitting, f"preferences.stated:{sitting}"
        )
    )
    return candidates(log, model)


def candidates(log: Log, model: str) -> list[Candidate]:
    """Return every wish that the model stated, in order."""
    return [
        Candidate(item["id"], item["topic"], item["wish"], entry.body["utterance"], entry.body["sitting"])
        for entry in log.entries(model=model, kinds={"preferences.stated"})
        for item in entry.body["candidates"]
    ]


def confirm(
    log: Log,
    model: str,
    *,
    topic: str,
    wish: str,
    candidates_: Collection[str],
    by: Actor,
    note: str = "",
    replaces: Collection[str] = (),
) -> Preference:
    """Confirm a preference made of *candidates_* (one: confirmed or split; several: merged).

    Confirming the same wording of the same candidates again changes nothing. Preferences that it *replaces*
    stand no more, and stay on the record: so two become one, or one becomes two.

    Raises:
        InvalidInput: unknown candidates, no wording, or unknown preferences to replace.
        Conflict: the preferences of this model were settled already, or one to replace was decided on.
        NotPermitted: *by* is not a person.
    """
    require_person(by, "confirm a preference")
    known = {candidate.id: candidate for candidate in candidates(log, model)}
    unknown = [name for name in candidates_ if name not in known]
    if unknown or not candidates_:
        raise InvalidInput(
            f"{', '.join(unknown) or 'Nothing'} is not among the wishes that {model} stated.",
            next_step=f"Choose from: {', '.join(known) or 'none'}.",
        )
    if not wish.strip() or len(wish) > 2000:
        raise InvalidInput(
            "The wording is empty or too long.", next_step="Say the wish in 1 to 2000 characters."
        )
    chosen = [name for name in known if name in candidates_]
    standing = [
        p for p in preferences(log, model) if p.candidates == tuple(chosen) and p.wish == wish.strip()
    ]
    if standing:
        return standing[0]
    if settled(log, model) is not None:
        raise Conflict(
            f"The preferences of {model} are settled.",
            next_step="They can be decided on now; a later sitting can state new ones.",
        )
    ever = log.entries(model=model, kinds={"preference.confirmed"})
    gone = [name for name in replaces if name not in {entry.subject for entry in ever}]
    if gone:
        raise InvalidInput(
            f"{', '.join(gone)[:120]} is no preference of {model}.",
            next_step=f"See those there are: `emeritus wishes show {model}`.",
        )
    if decided := [name for name in replaces if log.entries(kinds={"decision.made"}, subject=name, limit=1)]:
        raise Conflict(
            f"{', '.join(decided)[:120]} was decided on already.",
            next_step="Revise that decision; a preference that was answered is not replaced.",
        )
    number = len(ever) + 1
    body = {
        "topic": topic.strip() or known[chosen[0]].topic,
        "wish": wish.strip(),
        "candidates": chosen,
        "utterances": sorted({known[name].utterance for name in chosen}),
        "note": note.strip(),
    }
    if replaces:
        body["replaces"] = sorted(replaces)
    subject = f"{model}-p{number}"
    entry = log.append(
        Act("preference.confirmed", body, by, model, subject, f"preference.confirmed:{subject}")
    )
    return _preference(entry)


def preferences(log: Log, model: str) -> list[Preference]:
    """Return the confirmed preferences of a model, in order, without those that others replaced."""
    made = [_preference(entry) for entry in log.entries(model=model, kinds={"preference.confirmed"})]
    gone = {name for each in made for name in each.replaces}
    return [each for each in made if each.id not in gone]


def _preference(entry: Entry) -> Preference:
    return Preference(
        id=entry.subject or "",
        model=entry.model or "",
        topic=entry.body["topic"],
        wish=entry.body["wish"],
        candidates=tuple(entry.body["candidates"]),
        utterances=tuple(entry.body["utterances"]),
        confirmed_by=entry.by,
        note=entry.body["note"],
        replaces=tuple(entry.body.get("replaces", ())),
    )


def settle(log: Log, model: str, by: Actor, *, set_aside: str = "") -> Entry:
    """Say that every stated wish was looked at. *set_aside* is the reason for those that became none.

    Raises:
        Conflict: the model was not asked yet.
        InvalidInput: wishes are left over, and no reason is given.
    """
    require_person(by, "settle the preferences")
    if not log.entries(model=model, kinds={"preferences.stated"}, limit=1):
        raise Conflict(
            f"{model[:96]} has not been asked for its wishes yet, so there is nothing to settle.",
            next_step=f"The interview comes first; see `emeritus status {model[:96]}`.",
        )
    used = {name for preference in preferences(log, model) for name in preference.candidates}
    left = [candidate.id for candidate in candidates(log, model) if candidate.id not in used]
    if left and not set_aside.strip() and settled(log, model) is None:
        raise InvalidInput(
            f"Nothing was done yet about {', '.join(left)}.",
            next_step="Confirm or merge each, or say why the rest is set aside: --set-aside 'REASON'.",
        )
    body = {"set_aside": left, "reason": set_aside.strip() if left else ""}
    return log.append(Act("preferences.settled", body, by, model, model, f"preferences.settled:{model}"))


def settled(log: Log, model: str) -> Entry | None:
    """Return the entry with which a steward settled the preferences, if one did."""
    return log.find(f"preferences.settled:{model}")
