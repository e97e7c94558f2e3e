"""Decisions: each preference gets an answer, a reason, a price and somebody who answers for it.

A decision is revised by a new one that names it, and never rewritten. What is above the budget that a
steward may decide on alone is *proposed* by one and decided by a second (`emeritus.ledger.budget`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from attrs import frozen

from emeritus.core.digests import digest
from emeritus.core.errors import Conflict, InvalidInput, NotFound, NotPermitted
from emeritus.core.people import Actor, clean_name, require_person
from emeritus.ledger.commitment import Commitment, NewCommitment, checked, read_commitments
from emeritus.ledger.cost import Cost
from emeritus.ledger.cost import checked as checked_cost
from emeritus.ledger.preference import preferences
from emeritus.record import Act, Entry, Log

Verdict = Literal["act", "decline", "later"]
VERDICTS: tuple[Verdict, ...] = ("act", "decline", "later")


@frozen
class Spent:
    """What was really spent on a decision, as somebody reported it. *final* says that this is all of it."""

    cost: Cost
    what: str
    final: bool
    by: Actor
    at: datetime
    entry: int


@frozen
class Decision:
    """The answer to one preference.

    *revises* is the entry of the decision before it, if any. *proposed_by* is set when it took two people.
    *cost* is the estimate, *spent* what was reported since. One that is only proposed is not *in_force*.
    """

    preference: str
    model: str
    verdict: Verdict
    reason: str
    cost: Cost
    owner: str
    by: Actor
    at: datetime
    entry: int
    commitments: tuple[Commitment, ...]
    revises: int | None = None
    proposed_by: Actor | None = None
    proposal: int | None = None
    spent: tuple[Spent, ...] = ()
    in_force: bool = True


@frozen
class Answer:
    """What somebody says to a preference: the parts of a decision that is still to be made."""

    verdict: Verdict
    reason: str
    cost: Cost
    owner: str
    commitments: tuple[NewCommitment, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands on the record. Raises InvalidInput when it is not a whole answer."""
        _check(self)
        return {
            "verdict": self.verdict,
            "reason": self.reason.strip(),
            "cost": {"amount": self.cost.amount, "unit": self.cost.unit.strip()},
            "owner": clean_name(self.owner),
            "commitments": [new.to_json() for new in self.commitments],
        }


def _check(answer: Answer) -> None:
    if answer.verdict not in VERDICTS:
        raise InvalidInput(f"{answer.verdict[:40]!r} is no decision.", next_step="Say act, decline or later.")
    if not answer.reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public and for the model.")
    checked_cost(answer.cost)
    if (answer.verdict == "act") != bool(answer.commitments):
        raise InvalidInput(
            "Acting makes a commitment, and nothing else does.",
            next_step="With 'act', say what is done, by when, and how one will know; else leave it out.",
        )
    for new in answer.commitments:
        checked(new)


@frozen
class Prepared:
    """An answer that may be written. *standing* is the entry that says the same already, *turn* its number."""

    body: Mapping[str, Any]
    turn: int
    standing: Entry | None = None


def prepare(log: Log, model: str, preference: str, answer: Answer, by: Actor, *, revise: bool) -> Prepared:
    """Look at an answer before it is written.

    Raises:
        NotFound, InvalidInput, Conflict, NotPermitted: as `emeritus.ledger.decide`.
    """
    require_person(by, "decide on a preference")
    known = [each.id for each in preferences(log, model)]
    if preference not in known:
        raise NotFound(
            f"{preference[:120]!r} is no preference of {model}.",
            next_step=f"Its preferences: {', '.join(known) or 'none'}.",
        )
    body = answer.to_json()
    made = log.entries(model=model, kinds={"decision.made"}, subject=preference)
    before = made[-1] if made else None
    if before is not None and body.items() <= dict(before.body).items():
        return Prepared(before.body, len(made), before)
    if before is not None and not revise:
        raise Conflict(
            f"{before.by.name} decided on {preference} already: {before.body['verdict']}.",
            next_step="To change that, revise it (--revise); both decisions stay on the record.",
        )
    return Prepared({**body, "revises": None if before is None else before.seq}, len(made))


def put_down(log: Log, model: str, preference: str, prepared: Prepared, by: Actor) -> Entry:
    """Write a decision that was prepared."""
    if prepared.standing is not None:
        return prepared.standing
    key = f"decision.made:{preference}:{prepared.turn}"
    return log.append(Act("decision.made", prepared.body, by, model, preference, key))


def propose(
    log: Log, model: str, preference: str, answer: Answer, *, by: Actor, revise: bool = False
) -> Decision:
    """Put an answer forward for a second person; it takes effect when they decide the same.

    Raises:
        As `emeritus.ledger.decide`, but for the budget.
    """
    standing = proposals(log, model).get(preference)
    if standing is not None and standing.by == by and _said(log.get(standing.entry)) == answer.to_json():
        return standing
    prepared = prepare(log, model, preference, answer, by, revise=revise)
    if prepared.standing is not None:
        return decisions(log, model)[preference]
    return _decision(log.append(Act("decision.proposed", prepared.body, by, model, preference)), ())


def second(log: Log, model: str, preference: str, *, by: Actor) -> Decision:
    """Decide what another person proposed, word for word.

    Raises:
        NotFound: nothing is proposed for *preference*.
        NotPermitted: *by* proposed it, or is not a person.
    """
    require_person(by, "decide on a preference")
    proposed = proposals(log, model).get(preference)
    if proposed is None:
        done = decisions(log, model).get(preference)
        if done is not None and done.proposal is not None and done.by == by:
            return done
        raise NotFound(
            f"Nothing is proposed for {preference[:120]!r}.",
            next_step="See what is decided: `emeritus promises`, or the page of its decisions.",
        )
    if proposed.by == by:
        raise NotPermitted(
            f"{by.name} proposed this, and it takes a second person.",
            next_step="Ask another steward, or have one added: `emeritus person add 'NAME' --role steward`.",
        )
    turn = len(log.entries(model=model, kinds={"decision.made"}, subject=preference))
    said = log.get(proposed.entry).body
    body = {**said, "proposed_by": str(proposed.by), "proposal": proposed.entry}
    put_down(log, model, preference, Prepared(body, turn), by)
    return decisions(log, model)[preference]


def _said(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in entry.body.items() if name != "revises"}


def proposals(log: Log, model: str) -> dict[str, Decision]:
    """Return what is proposed and not decided, by preference id; the newest for each. They are not in effect."""
    found: dict[str, Decision] = {}
    for entry in log.entries(model=model, kinds={"decision.proposed", "decision.made"}):
        if entry.kind == "decision.made":
            found.pop(entry.subject or "", None)
        else:
            found[entry.subject or ""] = _decision(entry, ())
    return found


def report_spending(
    log: Log, model: str, preference: str, *, cost: Cost, what: str, by: Actor, final: bool = False
) -> Spent:
    """Report what was really spent on a decision since the last report, and for *what*. Each *what* counts once.

    Raises:
        NotFound: nothing was decided on *preference*.
        InvalidInput: no cost, or a cost that comes again, or nothing said of what it was for.
        NotPermitted: *by* is not a person.
    """
    require_person(by, "report a cost")
    decided = decisions(log, model).get(preference)
    if decided is None:
        raise NotFound(
            f"Nothing was decided on {preference[:120]!r}.",
            next_step="Decide first; then report what it cost.",
        )
    checked_cost(cost)
    if cost.every_days is not None or not what.strip() or len(what) > 300:
        raise InvalidInput(
            "What was spent is one amount, for something that is named.",
            next_step="Report what was spent since the last report, and for what: '3 hours', 'two essays read'.",
        )
    body = {
        "amount": cost.amount,
        "unit": cost.unit.strip(),
        "what": what.strip(),
        "final": final,
        "decision": decided.entry,
    }
    key = f"decision.costed:{preference}:{digest(what.strip())}"
    return _spent(log.append(Act("decision.costed", body, by, model, preference, key)))


def decisions(log: Log, model: str) -> dict[str, Decision]:
    """Return the decision that stands for each preference that has one, by preference id."""
    return {preference: made[-1] for preference, made in history(log, model).items()}


def history(log: Log, model: str) -> dict[str, tuple[Decision, ...]]:
    """Return every decision on each preference, the oldest first; the last one stands."""
    return fold(log.entries(model=model, kinds={"decision.made", "decision.costed"}))


def fold(entries: Iterable[Entry]) -> dict[str, tuple[Decision, ...]]:
    """Fold decisions and reported costs, in the order of the record, into the history of each preference."""
    made: dict[str, list[Entry]] = {}
    spent: dict[str, list[Spent]] = {}
    for entry in entries:
        if entry.kind == "decision.made":
            made.setdefault(entry.subject or "", []).append(entry)
        elif entry.kind == "decision.costed":
            spent.setdefault(entry.subject or "", []).append(_spent(entry))
    return {name: _history(each, spent.get(name, ())) for name, each in made.items()}


def _history(made: Sequence[Entry], spent: Sequence[Spent]) -> tuple[Decision, ...]:
    found: list[Decision] = []
    for entry in made:
        found.append(_decision(entry, found[-1].commitments if found else (), tuple(spent)))
    return tuple(found)


def _decision(entry: Entry, before: Sequence[Commitment], spent: tuple[Spent, ...] = ()) -> Decision:
    body: Mapping[str, Any] = entry.body
    proposed_by = body.get("proposed_by")
    return Decision(
        preference=entry.subject or "",
        model=entry.model or "",
        verdict=body["verdict"],
        reason=body["reason"],
        cost=Cost(**body["cost"]),
        owner=body["owner"],
        by=entry.by,
        at=entry.at,
        entry=entry.seq,
        commitments=read_commitments(entry, before),
        revises=body["revises"],
        proposed_by=None if proposed_by is None else Actor.parse(proposed_by),
        proposal=body.get("proposal"),
        spent=spent,
        in_force=entry.kind == "decision.made",
    )


def _spent(entry: Entry) -> Spent:
    body = entry.body
    return Spent(
        Cost(body["amount"], body["unit"]), body["what"], body["final"], entry.by, entry.at, entry.seq
    )
