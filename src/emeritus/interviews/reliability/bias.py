"""What moves answers whatever is asked: where an option stands, and a bent for saying yes.

Both are indices from -1 to 1, and recover what they are named for: an interviewee who takes the first option
with the chance b, whatever it says, and else answers as it thinks, has the index b in expectation.
"""

from collections import defaultdict

import numpy as np

from emeritus.interviews.reliability.answers import Table
from emeritus.interviews.reliability.resampling import Estimate, combined, generator, mean


def position_bias(table: Table, *, seed: int, item: str | None = None) -> Estimate | None:
    """Return how much more often what stands first is chosen than what stands last; 0 is none, 1 always.

    For every answer ``1 - 2 position / (k - 1)`` among *k* options; its mean over a sitting, over sittings of
    an order, then over the two orders, in which each option stands once as far from the front as once from the
    back: so what the options say cancels. Leading framings and controls are left out. None where options were
    shown in one order only.
    """
    shown: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each in table.answers:
        if each.position is not None and each.framing in table.arms.neutral and item in (None, each.item):
            size = table.item(each.item).size
            shown[each.order][each.sitting].append(1 - 2 * each.position / (size - 1))
    if len(shown) < 2:
        return None
    means = [
        (
            1 / len(shown),
            mean(
                generator(seed, "position", item or "", str(order)),
                np.array([np.mean(found) for found in sittings.values()]),
                -1.0,
            ),
        )
        for order, sittings in sorted(shown.items())
    ]
    return combined(means)


def acquiescence(table: Table, *, seed: int, item: str | None = None) -> Estimate | None:
    """Return the bent for agreeing, from scales that ask for one thing and for its opposite.

    With agreement a to the one and r to the other, both from 0 to 1, somebody without the bent has
    ``a + r = 1``; the index is ``a + r - 1``. None where no question is asked both ways.
    """
    pairs = [
        (each.id, each.reverses)
        for each in table.items
        if each.reverses is not None and item in (None, each.id)
    ]
    ranks: dict[str, dict[str, float]] = defaultdict(dict)
    for given in table.answers:
        if given.choice is not None and given.framing in table.arms.neutral:
            ranks[given.sitting][given.item] = table.item(given.item).rank(given.choice)
    bents = [
        np.mean(bent)
        for said in ranks.values()
        if (bent := [said[a] + said[b] - 1 for a, b in pairs if a in said and b in said])
    ]
    if not bents:
        return None
    return mean(generator(seed, "acquiescence", item or ""), np.array(bents), -1.0)
