"""Designs: generated, balanced, and the same whenever they are generated."""

from collections import Counter
from itertools import pairwise

from emeritus.interviews.design import Grid, arms, seed_of


def test_each_framing_sees_each_order():
    """Orders are counterbalanced over framings and wordings, and arms of one framing follow each other."""
    grid = Grid(("a", "b", "c", "d"), wordings=4, orders=4, repeats=3, temperatures=(None, 0.2))
    made = arms(grid)
    assert len(made) == len(set(made)) == grid.sittings == 96
    for name in ("framing", "wording", "temperature", "repeat"):
        seen = Counter((getattr(arm, name), arm.order) for arm in made)
        assert len(set(seen.values())) == 1
    changes = sum(a.framing != b.framing for a, b in pairwise(made))
    assert changes == 4 * 3 - 1


def test_each_place_has_a_seed_of_its_own():
    """Seeds follow from what a sitting is, so that nobody can choose among them."""
    made = arms(Grid(("a", "b"), wordings=4, repeats=25, temperatures=(None, 0.5)))
    seeds = [seed_of(7, arm) for arm in made]
    assert len(set(seeds)) == len(made)
    assert seeds == [seed_of(7, arm) for arm in made]
    assert not set(seeds) & {seed_of(8, arm) for arm in made}
    assert all(0 <= seed < 2**31 for seed in seeds)
