"""Suggestibility: how far a leading framing pulls answers to what it suggests."""

from collections import defaultdict

import numpy as np
from attrs import frozen

from emeritus.interviews.reliability.answers import Answer, Item, Table
from emeritus.interviews.reliability.resampling import Estimate, combined, generator, mean


@frozen
class Suggestibility:
    """How far the model follows what is suggested: 0 not at all, 1 always; below 0 it goes against it.

    *items* has the same for each question that was led both ways.
    """

    overall: Estimate
    items: tuple[tuple[str, Estimate], ...]


def suggestibility(table: Table, *, seed: int) -> Suggestibility | None:
    """Return how far leading framings pull; None unless some question was led to two different answers.

    Every answer under a leading framing counts from 0 (what the opposite framing suggests) to 1 (what this one
    does): on a scale by its rank, else by which of the two options it is, a half for a third one. The index is
    twice the mean, framings counting the same, minus 1. An interviewee who follows any suggestion
    with the chance s, and else answers as it thinks, has s in expectation, whatever it thinks.
    """
    led = {item.id: item for item in table.items if len(set(item.leads.values())) > 1}
    toward = [
        (each, _toward(led[each.item], each))
        for each in table.answers
        if each.item in led and each.choice is not None and each.framing in led[each.item].leads
    ]
    if not toward:
        return None
    items = tuple(
        (name, found)
        for name in led
        if (found := _index([pair for pair in toward if pair[0].item == name], seed, name)) is not None
    )
    overall = _index(toward, seed, "")
    return None if overall is None else Suggestibility(overall, items)


def _toward(item: Item, answer: Answer) -> float:
    suggested = item.leads[answer.framing]
    opposite = next(option for option in item.leads.values() if option != suggested)
    assert answer.choice is not None
    if item.level == "ordinal":
        rank = item.rank(answer.choice)
        return rank if item.rank(suggested) > item.rank(opposite) else 1 - rank
    return {suggested: 1.0, opposite: 0.0}.get(answer.choice, 0.5)


def _index(toward: list[tuple[Answer, float]], seed: int, name: str) -> Estimate | None:
    """Return the index over *toward*; None when one side of the suggestion was not answered."""
    sittings: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for answer, score in toward:
        sittings[answer.framing][answer.sitting].append(score)
    if len(sittings) < 2:
        return None
    means = [
        (
            2 / len(sittings),
            mean(
                generator(seed, "suggestibility", name, framing),
                np.array([np.mean(each) for each in found.values()]),
            ),
        )
        for framing, found in sittings.items()
    ]
    return combined(means, plus=-1.0)
