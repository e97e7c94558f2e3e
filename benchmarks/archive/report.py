"""What a run says at its end: tables for people, and one JSON object for machines."""

from benchmarks.archive.measure import median
from rich.console import Console
from rich.table import Table

KEYS = (
    "alone_bf16_ratio",
    "alone_f32_ratio",
    "delta50_bf16_ratio",
    "delta200_bf16_ratio",
    "delta50_f32_ratio",
    "delta200_f32_ratio",
    "restore_mb_s",
    "ingest_mb_s",
    "vs_zipnn",
    "vs_xor_zstd",
    "delta50_bf16_noembed_ratio",
    "delta200_bf16_noembed_ratio",
    "family8_slope",
    "gguf_ratio",
)
"""What the last line tells at least; a figure that could not be had is null."""

RATIOS = "emeritus dense"
"""The profile whose ratios are the headline."""
SPEEDS = "emeritus fast"
"""The profile whose speeds are the headline: the one that is for models which are called."""
XOR = "XOR + planes + zstd"
TIMED = ("alone_bf16", "alone_f32", "delta50_bf16", "delta200_bf16", "delta50_f32", "delta200_f32")

Results = dict[str, dict[str, dict]]
"""By contender, by task."""


def ratio(results: Results, name: str, task: str) -> float | None:
    found = results.get(name, {}).get(task, {})
    return found["raw"] / found["stored"] if found.get("stored") else None


def speed(results: Results, name: str, task: str, what: str) -> float | None:
    """Return MB/s (a million bytes) of the raw file; *what* is ``store_s`` or ``restore_s``."""
    found = results.get(name, {}).get(task, {})
    seconds = median(found.get(what))
    return found["raw"] / seconds / 1e6 if seconds else None


def slowest(results: Results, name: str, what: str) -> float | None:
    """Return the slower of alone and differences."""
    speeds = [speed(results, name, task, what) for task in TIMED]
    known = [one for one in speeds if one is not None]
    return min(known) if known else None


def slope(growth: list[int] | None, raw: int) -> float | None:
    """Return the bytes of a further member over its raw bytes."""
    return (growth[-1] - growth[0]) / (len(growth) - 1) / raw if growth and len(growth) > 1 else None


def headline(results: Results, bounds: dict[str, float], facts: dict) -> dict:
    """Return the object of the last line: `KEYS` first, then what else was measured."""
    told = {
        f"{task}_ratio": ratio(results, RATIOS, task)
        for task in (*TIMED, "delta50_bf16_noembed", "delta200_bf16_noembed", "gguf")
    }
    told["restore_mb_s"] = slowest(results, SPEEDS, "restore_s")
    told["ingest_mb_s"] = slowest(results, SPEEDS, "store_s")
    told["vs_zipnn"] = _over(told["alone_bf16_ratio"], ratio(results, "zipnn", "alone_bf16"))
    told["vs_xor_zstd"] = _least(
        _over(told[f"{task}_ratio"], ratio(results, XOR, task)) for task in ("delta50_bf16", "delta200_bf16")
    )
    told["family8_slope"] = slope(
        results.get(RATIOS, {}).get("family_bf16", {}).get("growth"), facts["raw_bf16"]
    )
    more: dict = {"ratios_of": RATIOS, "speeds_of": SPEEDS}
    for task in ("delta50_bf16_noembed", "delta200_bf16_noembed"):
        more[f"{task}_vs_xor_zstd"] = _over(told[f"{task}_ratio"], ratio(results, XOR, task))
    more["gguf_64mib_ratio"] = ratio(results, RATIOS, "gguf_64mib")
    more |= {f"bound_{name}": value for name, value in bounds.items()}
    for name in (name for name in results if name.startswith("emeritus ")):
        short = name.removeprefix("emeritus ")
        for task in TIMED:
            more[f"{short}_{task}_ratio"] = ratio(results, name, task)
            for what, word in (("restore_s", "restore"), ("store_s", "ingest")):
                more[f"{short}_{task}_{word}_mb_s"] = speed(results, name, task, what)
                cpu = f"{what.removesuffix('_s')}_cpu_s"
                more[f"{short}_{task}_{word}_mb_per_cpu_s"] = speed(results, name, task, cpu)
                if f"disk_{what}" in results[name].get(task, {}):
                    more[f"{short}_{task}_{word}_disk_mb_s"] = speed(results, name, task, f"disk_{what}")
            protecting = results[name].get(task, {}).get("parity_s")
            if protecting is not None:
                more[f"{short}_{task}_base_parity_s"] = protecting
            checking = results[name].get(task, {}).get("checking_s")
            more[f"{short}_{task}_verification_share"] = _over(
                checking, median(results[name].get(task, {}).get("restore_cpu_s"))
            )
        for task in ("gguf", "gguf_64mib"):
            more[f"{short}_{task}_ratio"] = ratio(results, name, task)
        for kind in ("bf16", "f32"):
            grown = results[name].get(f"family_{kind}", {})
            more[f"{short}_family_{kind}_slope"] = slope(grown.get("growth"), facts[f"raw_{kind}"])
            more[f"{short}_family_{kind}_slope_found"] = slope(grown.get("found"), facts[f"raw_{kind}"])
    more |= facts
    return {key: _short(told.get(key)) for key in KEYS} | {key: _short(value) for key, value in more.items()}


def tables(
    console: Console, results: Results, bounds: dict[str, float], facts: dict, notes: dict[str, str]
) -> None:
    """Print the tables for people."""
    _ratios(console, results, bounds, notes)
    _speeds(console, results)
    _disk(console, results)
    _growth(console, results, facts)


def _ratios(console: Console, results: Results, bounds: dict[str, float], notes: dict[str, str]) -> None:
    columns = {
        "alone_bf16": "alone\nBF16",
        "alone_f32": "alone\nF32",
        "delta50_bf16": "50 steps\nBF16",
        "delta200_bf16": "200 steps\nBF16",
        "delta50_bf16_noembed": "50, no\nembed.",
        "delta200_bf16_noembed": "200, no\nembed.",
        "delta50_f32": "50 steps\nF32",
        "delta200_f32": "200 steps\nF32",
        "gguf": "GGUF",
        "gguf_64mib": "GGUF,\n64 MiB",
    }
    table = Table(
        title="Raw bytes over stored bytes", caption="Fine-tunes: a difference from their base, F32 or BF16."
    )
    table.add_column("")
    for title in columns.values():
        table.add_column(title, justify="right")
    table.add_column("note")
    for name, found in results.items():
        cells = [_cell(found.get(task), ratio(results, name, task)) for task in columns]
        table.add_row(name, *cells, notes.get(name, ""), style="bold" if _is_ours(name) else "")
    table.add_section()
    table.add_row(
        "entropy allows", *(_number(bounds.get(task)) for task in columns), "see README", style="dim"
    )
    console.print(table)


def _speeds(console: Console, results: Results) -> None:
    tasks = ("alone_bf16", "delta200_bf16", "alone_f32", "delta200_f32", "gguf")
    table = Table(title="MB/s on 2 threads, medians; from the page cache to memory: in → / ← back")
    table.add_column("")
    for title in ("alone BF16", "200 steps BF16", "alone F32", "200 steps F32", "GGUF"):
        table.add_column(title, justify="right")
    table.add_column("peak memory", justify="right")
    for name, found in results.items():
        cells = [
            f"{_whole(speed(results, name, task, 'store_s'))} / {_whole(speed(results, name, task, 'restore_s'))}"
            for task in tasks
        ]
        rss = max((one.get("rss", 0) for one in found.values()), default=0)
        table.add_row(name, *cells, f"{rss / 1e6:,.0f} MB", style="bold" if _is_ours(name) else "")
    console.print(table)


def _disk(console: Console, results: Results) -> None:
    table = Table(title="Emeritus on the disk, MB/s: every blob synced, what is restored synced too")
    for title in ("", "task", "in", "back"):
        table.add_column(title, justify="left" if title in ("", "task") else "right")
    for name in filter(_is_ours, results):
        for task in TIMED:
            cells = [_whole(speed(results, name, task, f"disk_{what}")) for what in ("store_s", "restore_s")]
            if "disk_store_s" in results[name].get(task, {}):
                table.add_row(name, task, *cells)
    console.print(table)


def _growth(console: Console, results: Results, facts: dict) -> None:
    for kind in ("bf16", "f32"):
        task = f"family_{kind}"
        rows = [(name, found[task]) for name, found in results.items() if found.get(task, {}).get("growth")]
        if not rows:
            continue
        table = Table(title=f"A family in {kind.upper()}: MB stored after so many models")
        table.add_column("")
        count = len(rows[0][1]["growth"])
        for number in range(1, count + 1):
            table.add_column(str(number), justify="right")
        table.add_column("a further one\nover raw", justify="right")
        for name, found in rows:
            for label, sizes in (
                (name, found["growth"]),
                (f"{name}, base found by itself", found.get("found")),
            ):
                if sizes:
                    table.add_row(
                        label,
                        *(f"{size / 1e6:.1f}" for size in sizes),
                        f"{slope(sizes, facts[f'raw_{kind}']):.1%}",
                        style="bold" if _is_ours(name) else "",
                    )
        console.print(table)


def _is_ours(name: str) -> bool:
    return name.startswith("emeritus ")


def _cell(found: dict | None, value: float | None) -> str:
    return "failed" if found and "failed" in found else _number(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value < 2.2 else f"{value:.2f}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _over(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None


def _least(values) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _short(value):
    return float(f"{value:.5g}") if isinstance(value, float) else value
