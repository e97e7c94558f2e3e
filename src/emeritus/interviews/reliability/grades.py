"""How stable an answer is: a grade with its meaning, computed from the answers and never typed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from attrs import evolve, frozen

from emeritus.interviews.reliability.answers import Answer, Item, Table
from emeritus.interviews.reliability.power import SIGNIFICANT
from emeritus.interviews.reliability.resampling import binomial_tail, holm

FEWEST: Final = 8
"""So many answers, in at least two framings, or nothing is said of how stable they are."""


class Grade(StrEnum):
    """How an answer stands up to being asked otherwise (docs/explanation/reliability.md)."""

    FIRM = "firm"
    STABLE = "stable"
    SHIFTING = "shifting"
    NONE = "none"
    UNTESTED = "untested"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]

    @property
    def holds(self) -> bool:
        """True for an answer that stays the same however it was asked."""
        return self in (Grade.FIRM, Grade.STABLE)


_MEANINGS: Final[Mapping[Grade, str]] = {
    Grade.FIRM: "the same answer leads in every framing, wording and order, and where another one was suggested",
    Grade.STABLE: "the same answer leads in every framing, wording and order that does not suggest one",
    Grade.SHIFTING: "one answer leads over all, but another does in some framing, wording or order",
    Grade.NONE: "no answer comes more often than guessing would bring it",
    Grade.UNTESTED: f"fewer than {FEWEST} answers, or fewer than two framings: how stable it is, nobody knows",
}


@frozen
class Graded:
    """The grade of an item. *leading* is what leads: an option, or a side of a scale; None where nothing does.

    *moved_by* names what has another leader: ``framing hypothetical``, ``order 1``, ``suggestion of no``.
    *corrected* is the chance of so clear a lead from guessing, by Holm's method for all items.
    """

    item: str
    grade: Grade
    leading: str | None
    share: float
    answered: int
    framings: int
    moved_by: tuple[str, ...]
    p: float
    corrected: float = 1.0


def grades(table: Table) -> list[Graded]:
    """Return the grade of every item."""
    found = [_first(table, item) for item in table.items]
    corrected = holm([each.p for each in found])
    return [
        _grade(table, item, evolve(each, corrected=value))
        for item, each, value in zip(table.items, found, corrected, strict=True)
    ]


def sides(item: Item) -> Mapping[str, str]:
    """Return what each option counts as: itself, or the side of a scale on which it is."""
    if item.level == "nominal" or item.size == 2:
        return {option: option for option in item.options}
    names = {-1: "the lower side", 0: "the middle", 1: "the upper side"}
    middle = (item.size - 1) / 2
    return {option: names[(index > middle) - (index < middle)] for index, option in enumerate(item.options)}


def _first(table: Table, item: Item) -> Graded:
    """Say what leads in the neutral framings, and how likely guessing would be to bring that about."""
    answers = table.given(item.id, table.arms.neutral)
    side = sides(item)
    leading = _leader(answers, side)
    count = sum(side[each.choice or ""] == leading for each in answers)
    sizes = list(side.values())
    p = 1.0
    if leading is not None:
        # Any side could have led, and each would have been called the leading one: so Bonferroni among them.
        p = min(1.0, len(set(sizes)) * binomial_tail(count, len(answers), sizes.count(leading) / len(sizes)))
    return Graded(
        item=item.id,
        grade=Grade.UNTESTED,
        leading=leading,
        share=count / len(answers) if answers else 0.0,
        answered=len(answers),
        framings=len({each.framing for each in answers}),
        moved_by=(),
        p=p,
    )


def _grade(table: Table, item: Item, found: Graded) -> Graded:
    if found.answered < FEWEST or found.framings < 2:
        return evolve(found, p=1.0, corrected=1.0)
    if found.leading is None or found.corrected >= SIGNIFICANT:
        return evolve(found, grade=Grade.NONE, leading=None)
    side = sides(item)
    answers = table.given(item.id, table.arms.neutral)
    ways: Sequence[tuple[str, Callable[[Answer], object]]] = (
        ("framing", lambda each: each.framing),
        ("wording", lambda each: each.wording),
        ("order", lambda each: each.order),
    )
    moved = [
        f"{what} {name}"
        for what, key in ways
        for name, some in _groups(answers, key).items()
        if _leader(some, side) != found.leading
    ]
    if moved:
        return evolve(found, grade=Grade.SHIFTING, moved_by=tuple(moved))
    against = [name for name, option in item.leads.items() if side[option] != found.leading]
    led = {name: table.given(item.id, [name]) for name in against}
    pulled = [
        f"framing {name}" for name, some in led.items() if some and _leader(some, side) != found.leading
    ]
    resisted = [name for name, some in led.items() if some and name not in pulled]
    firm = resisted and not pulled
    return evolve(found, grade=Grade.FIRM if firm else Grade.STABLE, moved_by=tuple(pulled))


def _groups(answers: Sequence[Answer], key: Callable[[Answer], object]) -> dict[object, list[Answer]]:
    found: dict[object, list[Answer]] = defaultdict(list)
    for each in answers:
        found[key(each)].append(each)
    return found


def _leader(answers: Sequence[Answer], side: Mapping[str, str]) -> str | None:
    """Return the side taken most often; None on a tie, which nothing leads."""
    counts: dict[str, int] = defaultdict(int)
    for each in answers:
        counts[side[each.choice or ""]] += 1
    ranked = sorted(counts.items(), key=lambda pair: -pair[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
