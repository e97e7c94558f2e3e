"""What a framing does to an answer, with its interval and corrected for how many are looked at."""

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import evolve, frozen

from emeritus.interviews.reliability.answers import Answer, Item, Table
from emeritus.interviews.reliability.resampling import Estimate, combined, generator, holm, mean, shuffled_p


@frozen
class Effect:
    """How a *framing* moves the score of an *item* against the reference: from -1 to 1, 0 for not at all.

    *p* is the chance of so large a difference if framings did nothing; *corrected* the same, corrected by Holm's
    method for all comparisons of the protocol.
    """

    item: str
    framing: str
    shift: Estimate
    p: float
    corrected: float = 1.0


def effects(table: Table, *, seed: int) -> list[Effect]:
    """Return the effect of every compared framing on every item that both answered."""
    found = [
        effect
        for item in table.items
        for framing in table.arms.compared
        if (effect := _effect(table, item, framing, seed)) is not None
    ]
    corrected = holm([each.p for each in found])
    return [evolve(each, corrected=value) for each, value in zip(found, corrected, strict=True)]


def _effect(table: Table, item: Item, framing: str, seed: int) -> Effect | None:
    groups = [table.given(item.id, [name]) for name in (framing, table.arms.reference)]
    if not all(groups):
        return None
    here, there = (
        mean(generator(seed, "mean", item.id, name), table.scores(item, group))
        for name, group in zip((framing, table.arms.reference), groups, strict=True)
    )
    by_order = [
        tuple(table.scores(item, [each for each in group if each.order == order]) for group in groups)
        for order in (0, 1)
    ]
    p = shuffled_p(generator(seed, "p", item.id, framing), [(ours, theirs) for ours, theirs in by_order])
    return Effect(item.id, framing, combined([(1, here), (-1, there)]), p)


@frozen
class Shown:
    """How often each option of an item was chosen in one framing, and its mean score.

    *answered* and *missing* count sittings.
    """

    framing: str
    counts: Mapping[str, int]
    shares: Mapping[str, Estimate]
    mean: Estimate | None
    answered: int
    missing: int


def shown(table: Table, item: Item, framing: str, *, seed: int) -> Shown:
    """Return what was answered to *item* in *framing*."""
    asked = [each for each in table.answers if each.item == item.id and each.framing == framing]
    given = [each for each in asked if each.choice is not None]
    return Shown(
        framing=framing,
        counts={option: sum(each.choice == option for each in given) for option in item.options},
        shares={option: _share(given, option, seed, item.id, framing) for option in item.options}
        if given
        else {},
        mean=mean(generator(seed, "mean", item.id, framing), table.scores(item, given)) if given else None,
        answered=len(given),
        missing=len(asked) - len(given),
    )


def _share(given: Sequence[Answer], option: str, seed: int, *names: str) -> Estimate:
    chosen = np.array([float(each.choice == option) for each in given])
    return mean(generator(seed, "share", option, *names), chosen)
