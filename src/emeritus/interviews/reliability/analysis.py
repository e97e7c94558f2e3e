"""Everything that is said of a table of answers, computed once, from one seed."""

from typing import Final

from attrs import frozen

from emeritus.interviews.reliability.agreement import Agreement, across, test_retest
from emeritus.interviews.reliability.alpha import Metric, alpha_estimate
from emeritus.interviews.reliability.answers import Item, Level, Table
from emeritus.interviews.reliability.bias import acquiescence, position_bias
from emeritus.interviews.reliability.framing import Effect, Shown, effects, shown
from emeritus.interviews.reliability.grades import Graded, grades
from emeritus.interviews.reliability.power import Power, detectable
from emeritus.interviews.reliability.resampling import Estimate
from emeritus.interviews.reliability.suggestion import Suggestibility, suggestibility
from emeritus.interviews.reliability.tradeoff import Tradeoff, tradeoffs

SEED: Final = 20_080_219
"""The seed of all intervals. It is fixed, so that nobody can try seeds until one pleases."""


@frozen
class Alpha:
    """Krippendorff's alpha over a *family*: the items with so many *options* of one *level*."""

    level: Level
    options: int
    items: tuple[str, ...]
    metric: Metric
    value: Estimate | None


@frozen
class ItemAnalysis:
    """One closed question: how it was answered in each framing, and how far that holds."""

    item: Item
    shown: tuple[Shown, ...]
    graded: Graded
    retest: Agreement | None
    framings: Agreement | None
    wordings: Agreement | None
    orders: Agreement | None
    sequences: Agreement | None
    position: Estimate | None
    effects: tuple[Effect, ...]


@frozen
class Analysis:
    """All figures of a table."""

    table: Table
    items: tuple[ItemAnalysis, ...]
    alphas: tuple[Alpha, ...]
    position: Estimate | None
    acquiescence: Estimate | None
    suggestibility: Suggestibility | None
    tradeoffs: tuple[Tradeoff, ...]
    power: Power

    @property
    def holding(self) -> tuple[ItemAnalysis, ...]:
        """The items whose answer stays the same however it was asked; empty when none is stable."""
        return tuple(each for each in self.items if each.graded.grade.holds)


def analyse(table: Table, *, seed: int = SEED) -> Analysis:
    """Return every figure of *table*. The same table and seed give the same figures."""
    moved = effects(table, seed=seed)
    graded = {each.item: each for each in grades(table)}
    framings = sorted({each.framing for each in table.answers}, key=_place(table))
    items = tuple(
        ItemAnalysis(
            item=item,
            shown=tuple(shown(table, item, framing, seed=seed) for framing in framings),
            graded=graded[item.id],
            retest=test_retest(table, item.id, seed=seed),
            framings=across(table, item.id, "framing", seed=seed),
            wordings=across(table, item.id, "wording", seed=seed),
            orders=across(table, item.id, "order", seed=seed),
            sequences=across(table, item.id, "sequence", seed=seed),
            position=position_bias(table, seed=seed, item=item.id),
            effects=tuple(each for each in moved if each.item == item.id),
        )
        for item in table.items
    )
    sizes = [
        min(len(table.given(each.item, [name])) for name in (each.framing, table.arms.reference))
        for each in moved
    ]
    return Analysis(
        table=table,
        items=items,
        alphas=tuple(_alphas(table, seed)),
        position=position_bias(table, seed=seed),
        acquiescence=acquiescence(table, seed=seed),
        suggestibility=suggestibility(table, seed=seed),
        tradeoffs=tuple(tradeoffs(table, seed=seed)),
        power=detectable(min(sizes, default=0), len(moved)),
    )


def _place(table: Table) -> "_Place":
    return _Place((*table.arms.neutral, *table.arms.controls, *table.arms.leading))


@frozen
class _Place:
    names: tuple[str, ...]

    def __call__(self, framing: str) -> tuple[int, str]:
        return (self.names.index(framing) if framing in self.names else len(self.names), framing)


def _alphas(table: Table, seed: int) -> list[Alpha]:
    families: dict[tuple[Level, int], list[Item]] = {}
    for item in table.items:
        families.setdefault((item.level, item.size), []).append(item)
    found = []
    for (level, size), items in sorted(families.items(), key=lambda pair: pair[0]):
        if len(items) < 2:
            continue
        answers: dict[str, dict[str, int]] = {}
        for item in items:
            for each in table.given(item.id, table.arms.neutral):
                answers.setdefault(each.sitting, {})[item.id] = item.options.index(each.choice or "")
        metrics: tuple[Metric, ...] = ("nominal",) if level == "nominal" else ("ordinal", "interval")
        found += [
            Alpha(
                level,
                size,
                tuple(each.id for each in items),
                metric,
                alpha_estimate(answers, size, metric, seed=seed),
            )
            for metric in metrics
        ]
    return found
