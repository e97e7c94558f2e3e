"""The pictures of a run, as SVG."""

from pathlib import Path

from benchmarks.archive.report import Results, ratio, speed
from matplotlib import pyplot as plt
from matplotlib import ticker

OURS = {"emeritus dense": "#b3261e", "emeritus fast": "#e07a3f"}
OTHERS = "#8a8f98"
SPEEDS = (20, 50, 100, 200, 500, 1000, 2000, 5000)
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")

plt.switch_backend("svg")
plt.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "emeritus",
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#e6e6e6",
        "axes.axisbelow": True,
    }
)


def draw(results: Results, bounds: dict[str, float], folder: Path, raw: dict[str, int]) -> list[Path]:
    """Draw the growth of the family and the ratios against speeds into *folder*; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [growth(results, folder / f"family-{kind}.svg", kind, raw[kind]) for kind in ("bf16", "f32")]
    drawn.append(frontier(results, bounds, folder / "ratio-and-speed.svg"))
    return [path for path in drawn if path is not None]


def growth(results: Results, path: Path, kind: str, raw: int) -> Path | None:
    """Draw stored bytes against the number of models."""
    rows = {
        name: found[f"family_{kind}"]["growth"]
        for name, found in results.items()
        if found.get(f"family_{kind}", {}).get("growth")
    }
    if not rows:
        return None
    count = max(map(len, rows.values()))
    figure, axes = plt.subplots(figsize=(9, 5.4), layout="constrained")
    numbers = range(1, count + 1)
    axes.plot(numbers, [raw * n / 1e6 for n in numbers], color="#c8c8c8", linestyle=":", zorder=1)
    ends = [(raw * count / 1e6, "raw", "#9a9a9a")]
    for number, (name, sizes) in enumerate(sorted(rows.items(), key=lambda row: row[1][-1])):
        color = OURS.get(name, OTHERS)
        axes.plot(
            range(1, len(sizes) + 1),
            [size / 1e6 for size in sizes],
            color=color,
            marker=SHAPES[number % len(SHAPES)],
            markersize=4,
            linewidth=2.2 if name in OURS else 1.1,
            zorder=3 if name in OURS else 2,
        )
        ends.append((sizes[-1] / 1e6, name, color))
    _label_ends(axes, ends, count)
    axes.set_xlim(1, count)
    axes.set_ylim(0)
    axes.set_xticks(list(numbers))
    axes.set_xlabel("models of the family kept")
    axes.set_ylabel("stored, MB")
    axes.set_title(f"A base and its real fine-tunes, {kind.upper()}: what keeping one more costs", loc="left")
    return _save(figure, path)


def frontier(results: Results, bounds: dict[str, float], path: Path) -> Path:
    """Draw ratio against restore speed, alone and as a difference."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
    for axes, task, title in zip(
        panels,
        ("alone_bf16", "delta200_bf16"),
        ("Alone", "A fine-tune of 200 steps against its base"),
        strict=True,
    ):
        for name in results:
            how_small, how_fast = ratio(results, name, task), speed(results, name, task, "restore_s")
            if how_small is None or how_fast is None:
                continue
            color = OURS.get(name, OTHERS)
            axes.scatter([how_fast], [how_small], color=color, s=42 if name in OURS else 24, zorder=3)
            axes.annotate(
                name, (how_fast, how_small), xytext=(5, 4), textcoords="offset points", color=color, size=8
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.FixedLocator(SPEEDS))
        axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        if allowed := bounds.get(task):
            axes.axhline(allowed, color="#9a9a9a", linestyle=":", zorder=1)
            axes.annotate(
                "entropy, order 0",
                (0.01, allowed),
                xycoords=("axes fraction", "data"),
                xytext=(0, -11),
                textcoords="offset points",
                ha="left",
                color="#9a9a9a",
                size=8,
            )
        axes.set_xlabel("restored, MB/s on 2 threads")
        axes.set_ylabel("raw bytes over stored bytes")
        axes.margins(0.16, 0.1)
        axes.set_title(f"{title}, BF16", loc="left", size=11)
    return _save(figure, path)


def _label_ends(axes, ends: list[tuple[float, str, str]], count: int) -> None:
    """Write each line's name beside its end, moved apart where they would overlap."""
    least = max(value for value, _, _ in ends) / 28
    above = -least
    for value, name, color in sorted(ends):
        above = max(value, above + least)
        axes.annotate(
            name,
            (count, value),
            xytext=(count + count / 22, above),
            color=color,
            va="center",
            size=8.5,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 0.5,
                "shrinkA": 0,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )


def _save(figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def catalogue(rows: list[dict], path: Path) -> Path:
    """Draw what the Nth model of a catalogue costs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    numbers = [row["models"] for row in rows]
    for key, title, color in (("ingest_ms", "in", "#b3261e"), ("restore_ms", "back", "#3f6fb5")):
        values = [row[key] for row in rows]
        axes.plot(numbers, values, marker="o", color=color, linewidth=2)
        axes.annotate(
            title,
            (numbers[-1], values[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            color=color,
            va="center",
        )
    axes.set_xscale("log")
    axes.set_ylim(0)
    axes.set_xlabel("models in the archive")
    axes.set_ylabel("milliseconds for one more")
    axes.set_title("The Nth model costs what the tenth did", loc="left")
    return _save(figure, path)
