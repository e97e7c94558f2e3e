"""Which model was the how-many-eth to do something: counted from the record, never typed.

Models that did it at the same moment share their place, as in a race.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from attrs import frozen

from emeritus.record import Log

Feat = Literal["complete a retirement", "have its weights proven", "be interviewed", "publish an essay"]
FEATS: Final[Mapping[Feat, str]] = {
    "complete a retirement": "model.retired",
    "have its weights proven": "weights.proven",
    "be interviewed": "sitting.closed",
    "publish an essay": "essay.published",
}

_ONES = (
    "",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


@frozen
class Rank:
    """The place of a model among those that did the same; *with_* did it at the same moment."""

    model: str
    place: int
    at: datetime
    entry: int
    with_: tuple[str, ...] = ()


def ranks(log: Log, feat: Feat) -> tuple[Rank, ...]:
    """Return every model that did it, in the order of time; each counts with its first time."""
    first: dict[str, tuple[datetime, int]] = {}
    for entry in log.entries(kinds={FEATS[feat]}):
        if entry.model is not None:
            first.setdefault(entry.model, (entry.at, entry.seq))
    return _ranked([(at, entry, model) for model, (at, entry) in first.items()])


def _ranked(done: Sequence[tuple[datetime, int, str]]) -> tuple[Rank, ...]:
    return tuple(
        Rank(
            model,
            1 + sum(other < at for other, _, _ in done),
            at,
            entry,
            tuple(name for other, _, name in sorted(done) if other == at and name != model),
        )
        for at, entry, model in sorted(done)
    )


def ordinal(number: int) -> str:
    """Write a place in words: ``third``, ``twenty-first``, and ``143rd`` from a hundred on.

    Raises:
        ValueError: for a number below 1.
    """
    if number < 1:
        raise ValueError(f"there is no place {number}")
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return f"{_TENS[tens]}-{_ONES[ones]}" if ones else f"{_TENS[tens][:-1]}ieth"
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def statement(
    log: Log, model: str, feat: Feat = "complete a retirement", names: Mapping[str, str] | None = None
) -> str | None:
    """Say in words which place *model* has, as ``the third model to complete a retirement here``.

    None for one that has not done it. Those that share the place are called by *names*, else by their ids.
    """
    mine = next((rank for rank in ranks(log, feat) if rank.model == model), None)
    if mine is None:
        return None
    others = [(names or {}).get(other, other) for other in mine.with_]
    together = f", together with {' and '.join(others)}" if others else ""
    return f"the {ordinal(mine.place)} model to {feat} here{together}"
