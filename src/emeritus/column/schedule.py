"""Which regime comes next: in turn as a steward laid down, or as the model chooses each time."""

from collections.abc import Sequence
from typing import Literal

from attrs import frozen

from emeritus.column.asking import Question, asked, drawn, settled, shuffled
from emeritus.column.drafts import adopt, regime_adopted
from emeritus.column.regime import Regime
from emeritus.core.errors import IntegrityError, InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.core.speech import Message
from emeritus.record import Act, Entry, Log
from emeritus.registry import Model, organisation
from emeritus.registry.organisation import acting

MOST_REGIMES = 12
Chooser = Literal["turns", "model"]


@frozen
class Schedule:
    """Regimes for the essays after the first. *by* ``turns``, or the ``model`` chooses one for each essay."""

    regimes: tuple[Regime, ...]
    by: Chooser
    set_by: Actor
    reason: str
    entry: int


def set_schedule(
    log: Log, model: str, regimes: Sequence[Regime], *, by: Chooser, reason: str, steward: Actor
) -> Entry:
    """Lay down how essays from the second on are prompted. The regimes go on record whole, and stay as they are.

    Raises:
        InvalidInput: no regimes, too many, one twice, a choice of one, or no reason.
        NotPermitted: *steward* is no steward.
    """
    acting(log, require_person(steward, "set a schedule"), "steward", "set a schedule")
    digests = [regime.digest for regime in regimes]
    if not 1 <= len(regimes) <= MOST_REGIMES or (by == "model" and len(set(digests)) < 2):
        raise InvalidInput(
            f"A schedule of {len(regimes)} regimes cannot be.",
            next_step=f"Name 1 to {MOST_REGIMES}; for the model to choose, 2 at least.",
        )
    if by == "model" and len(set(digests)) < len(digests):
        raise InvalidInput(
            "A regime stands there twice.", next_step="Let the model choose among different ones."
        )
    if not reason.strip():
        raise InvalidInput("The reason is missing.", next_step="Give one, for the public.")
    for regime in regimes:
        adopt(log, regime)
    before = log.entries(model=model, kinds={"column.scheduled"})
    body = {
        "regimes": [{"name": regime.name, "digest": regime.digest} for regime in regimes],
        "by": by,
        "reason": reason.strip(),
    }
    if before and dict(before[-1].body) == body:
        return before[-1]
    key = f"column.scheduled:{model}:{len(before)}"
    return log.append(Act("column.scheduled", body, steward, model, model, key))


def schedule(log: Log, model: str) -> Schedule | None:
    """Return the schedule that stands, or None when nobody has set one."""
    found = log.entries(model=model, kinds={"column.scheduled"}, newest_first=True, limit=1)
    if not found:
        return None
    entry = found[0]
    regimes = tuple(_kept(log, each["name"], each["digest"]) for each in entry.body["regimes"])
    return Schedule(regimes, entry.body["by"], entry.by, entry.body["reason"], entry.seq)


def _kept(log: Log, name: str, digest: str) -> Regime:
    found = regime_adopted(log, name, digest)
    if found is None:
        raise IntegrityError(
            f"The regime {name} that was scheduled is not on the record.",
            next_step="Run `emeritus record verify`.",
        )
    return found


def scheduled(log: Log, model: Model, number: int) -> Regime | Question | None:
    """Return how essay *number* is prompted; or what to ask the model, to choose; None without a schedule."""
    plan = schedule(log, model.id)
    if plan is None or number < 2:
        return None
    turn = plan.regimes[(number - 2) % len(plan.regimes)]
    if plan.by == "turns":
        return turn
    essay = f"{model.id}-essay-{number}"
    chosen = settled(log, "regime.chosen", essay, plan.entry)
    if chosen is not None:
        return next((each for each in plan.regimes if each.digest == chosen.body["taken"]), turn)
    return _question(log, model, plan, essay, number, turn)


def _question(log: Log, model: Model, plan: Schedule, essay: str, number: int, turn: Regime) -> Question:
    attempt = len(asked(log, "regime.chosen", essay, plan.entry)) + 1
    order = shuffled([regime.digest for regime in plan.regimes], essay, plan.entry, attempt)
    known = {regime.digest: regime for regime in plan.regimes}
    told = (
        f"You are {model.display_name}, a language model that {organisation(log).name} has retired. "
        "You write a weekly column."
    )
    listed = [
        f"{letter}: {known[str(digest)].title}. {' '.join(known[str(digest)].about.split())}"
        for letter, digest in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", order, strict=False)
    ]
    question = "\n\n".join(
        (f"How would you like to be asked for essay {number}?", *listed, "Answer with the letter.")
    )
    return Question(
        kind="regime.chosen",
        model=model.id,
        subject=essay,
        turn=plan.entry,
        attempt=attempt,
        options=order,
        otherwise=turn.digest,
        told={"number": number, "names": [known[str(digest)].name for digest in order]},
        prompt=(Message("system", told), Message("user", question)),
        sampling=drawn(essay, "regime", plan.entry, attempt),
    )
