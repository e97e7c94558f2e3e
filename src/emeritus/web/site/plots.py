"""The plot of a closed question: one row a framing, a dot with its interval, told apart by shape and not by colour.

Everything is drawn in the colour of the text, so it is as good in the dark, in print and to any eye. Each row has its
words above its line, so that all of it can be read on a phone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from markupsafe import Markup

from emeritus.web.pages.text import words

WIDTH, EDGE, ROW, TOP, SIZE = 460, 8, 48, 4, 14
_LINE = 32
"""How far below the top of its row a line stands."""
_SHAPES = {
    "reference": '<circle cx="{x:.1f}" cy="{y:.1f}" r="6.5" fill="currentColor"/>',
    "neutral": '<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="currentColor"/>',
    "control": '<rect x="{l:.1f}" y="{t:.1f}" width="10" height="10" fill="none" stroke="currentColor" stroke-width="2"/>',
    "leading": '<path d="M{l:.1f} {b:.1f}h10l-5 -10z" fill="none" stroke="currentColor" stroke-width="2"/>',
}


@frozen
class Row:
    """One framing: *value* with its interval, all from 0 to 1; None where nobody answered."""

    title: str
    purpose: str
    value: float | None
    low: float
    high: float
    answered: int
    missing: int

    @property
    def says(self) -> str:
        if self.value is None:
            return "no answer"
        return f"{100 * self.value:.0f} ({100 * self.low:.0f}–{100 * self.high:.0f})"


@frozen
class Plot:
    """What is plotted of a question: *what* goes along the line from 0 to 1, and its rows."""

    what: str
    ends: tuple[str, str]
    rows: tuple[Row, ...]


def plot_of(question: Mapping[str, Any], framings: Sequence[Mapping[str, Any]]) -> Plot:
    """Return the plot of a question of a report; *framings* are those of its study."""
    known = {each["id"]: each for each in framings}
    scale = question["level"] == "ordinal"
    target = most_chosen(question)
    rows = []
    for each in question["by_framing"]:
        told = known.get(each["framing"], {"title": each["framing"], "is": "neutral"})
        figure = each["mean"] if scale else each["shares"].get(target)
        value, low, high = (
            (None, 0.0, 0.0) if figure is None else (figure["value"], figure["low"], figure["high"])
        )
        rows.append(Row(told["title"], told["is"], value, low, high, each["answered"], each["missing"]))
    if scale:
        ends = question["options"][0], question["options"][-1]
        return Plot("Mean answer on its scale, of a hundred", ends, tuple(rows))
    return Plot(f"How often of a hundred it chose “{target}”", ("never", "always"), tuple(rows))


def most_chosen(question: Mapping[str, Any]) -> str:
    """Return the option that was chosen most often in all framings, the first as written where several were."""
    counts: dict[str, int] = dict.fromkeys(question["options"], 0)
    for each in question["by_framing"]:
        for option, count in each["counts"].items():
            counts[option] += count
    return max(counts, key=lambda option: counts[option])


def draw(plot: Plot, name: str) -> Markup:
    """Return *plot* as an SVG with a title and a description of its own; *name* makes their ids."""
    base = TOP + ROW * len(plot.rows)
    height = base + 24
    said = "; ".join(f"{row.title}: {row.says}" for row in plot.rows)
    pieces = [
        Markup(
            '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-t {}-d"><title id="{}-t">{}</title>'
            '<desc id="{}-d">{}. {}.</desc>'
        ).format(
            WIDTH,
            height,
            name,
            name,
            name,
            words(plot.what, 200).striptags(),
            name,
            words(
                f"Dot and 95 % interval by framing, from {plot.ends[0]} to {plot.ends[1]}", 300
            ).striptags(),
            words(said, 2000).striptags(),
        )
    ]
    reference = next((row.value for row in plot.rows if row.purpose == "reference"), None)
    pieces += [_row(row, TOP + ROW * number, reference) for number, row in enumerate(plot.rows)]
    for x, end, anchor in ((0, plot.ends[0], "start"), (WIDTH, plot.ends[1], "end")):
        pieces.append(_text(x, base + 16, _short(end, 30), anchor))
    return Markup("").join([*pieces, Markup("</svg>")])


def sign(purpose: str) -> Markup:
    """Return the mark of a kind of framing by itself, for the legend."""
    shape = _SHAPES[purpose].format(x=8, y=8, l=3, t=3, b=13)
    # Figures and shapes of ours, nothing from outside.
    return Markup(f'<svg class="plot-mark" viewBox="0 0 16 16" aria-hidden="true">{shape}</svg>')  # noqa: S704


_TICKS = (0, 0.25, 0.5, 0.75, 1)


def _x(value: float) -> float:
    return EDGE + value * (WIDTH - 2 * EDGE)


def _row(row: Row, top: float, reference: float | None) -> Markup:
    y = top + _LINE
    parts = [_text(0, top + 16, _short(row.title, 44), "start"), _text(WIDTH, top + 16, row.says, "end")]
    parts += [_line(_x(tick), y - 9, _x(tick), y + 9, 0.45 if tick in (0, 1) else 0.18) for tick in _TICKS]
    parts.append(_line(_x(0), y, _x(1), y, 0.18))
    if reference is not None:
        x = _x(reference)
        parts.append(
            Markup(
                '<line x1="{0:.1f}" y1="{1:.1f}" x2="{0:.1f}" y2="{2:.1f}" stroke="currentColor" '
                'stroke-dasharray="2 3" stroke-opacity="0.8"/>'
            ).format(x, y - 11, y + 11)
        )
    if row.value is not None:
        x = _x(row.value)
        parts.append(
            Markup(
                '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="currentColor" stroke-width="2" '
                'stroke-linecap="round"/>'
            ).format(_x(row.low), y, _x(row.high), y)
        )
        shape = _SHAPES.get(row.purpose, _SHAPES["neutral"])
        parts.append(Markup(shape.format(x=x, y=y, l=x - 5, t=y - 5, b=y + 5)))  # noqa: S704 - figures only
    return Markup("").join(parts)


def _line(x1: float, y1: float, x2: float, y2: float, opacity: float) -> Markup:
    return Markup(
        '<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="currentColor" stroke-opacity="{}"/>'
    ).format(x1, y1, x2, y2, opacity)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    shown = words(text, 200).striptags()
    return Markup(
        '<text x="{:.1f}" y="{:.1f}" text-anchor="{}" font-size="{}" fill="currentColor">{}</text>'
    ).format(x, y, anchor, SIZE, shown)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
