"""How a benchmark of what is published is run: measured in a folder of its own, shown, and said as one JSON object."""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import results
from rich.console import Console
from rich.table import Table


def run(
    name: str,
    about: str | None,
    of: str,
    many: int,
    measure: Callable[[Path, int], dict],
    shown: Callable[[dict], Table],
) -> None:
    """Measure with *many* of what there are many *of*, or with as many as the command line says."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(f"--{of}", dest="many", type=int, default=many)
    parser.add_argument("--write", action="store_true", help="keep what is said in benchmarks/RESULTS.md")
    chosen = parser.parse_args()
    machine = results.machine()
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
        told = measure(Path(folder), chosen.many)
    console = Console(record=True, width=110)
    console.print(shown(told))
    last = json.dumps(told)
    if chosen.write:
        results.write(name, f"make bench-{name}", machine, f"{console.export_text()}\n{last}", [])
    print(last)
