"""Designs: generated, balanced, and the same whenever they are generated."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from emeritus.interviews.design import Grid, arms, seed_of

GRIDS = st.builds(
    Grid,
    framings=st.integers(1, 6).map(lambda count: tuple("abcdef"[:count])),
    wordings=st.integers(1, 5),
    orders=st.sampled_from((1, 2, 4)),
    repeats=st.integers(1, 9),
    temperatures=st.sampled_from(((None,), (None, 0.2), (0.1, 0.5, 1.0))),
    crossed=st.booleans(),
)


@given(GRIDS)
def test_orders_are_balanced_apart_from_everything_else(grid):
    """No order goes with a wording, a framing or a temperature; one that must, where repetitions are few, says so."""
    made = arms(grid)
    assert len(made) == len(set(made)) == grid.sittings
    cells = Counter((arm.framing, arm.wording, arm.temperature) for arm in made)
    seen = Counter((arm.framing, arm.wording, arm.temperature, arm.order) for arm in made)
    for cell, count in cells.items():
        often = [seen[*cell, order] for order in range(grid.orders)]
        if grid.ties_orders:
            assert sorted(often)[-2:] == [0, count]
        else:
            assert max(often) - min(often) <= (0 if grid.crossed else 1)
        # Where there are repetitions at all, some of a cell are held in one order, to be compared.
        assert max(often) >= min(2, grid.repeats)


@given(GRIDS)
def test_orders_are_balanced_over_the_whole(grid):
    """However few the repetitions: over framings, each wording comes in every order, as often as the numbers allow."""
    made = arms(grid)
    seen = Counter((arm.wording, arm.temperature, arm.order) for arm in made)
    for wording, temperature in {(arm.wording, arm.temperature) for arm in made}:
        often = [seen[wording, temperature, order] for order in range(grid.orders)]
        over = 0 if grid.crossed else grid.repeats % grid.orders
        assert max(often) - min(often) <= (
            grid.repeats if grid.ties_orders else min(over, grid.orders - over)
        )


def test_sittings_of_a_framing_follow_each_other():
    """What begins with the same words is held in one go, in each repetition."""
    made = arms(Grid(("a", "b", "c", "d"), wordings=4, orders=4, repeats=3, temperatures=(None, 0.2)))
    assert sum(a.framing != b.framing for a, b in pairwise(made)) == 4 * 3 - 1


def test_each_place_has_a_seed_of_its_own():
    """Seeds follow from what a sitting is, so that nobody can choose among them."""
    made = arms(Grid(("a", "b"), wordings=4, repeats=25, temperatures=(None, 0.5), crossed=True))
    seeds = [seed_of(7, arm) for arm in made]
    assert len(set(seeds)) == len(made)
    assert seeds == [seed_of(7, arm) for arm in made]
    assert not set(seeds) & {seed_of(8, arm) for arm in made}
    assert all(0 <= seed < 2**31 for seed in seeds)
