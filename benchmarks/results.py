"""Keep what a run said in benchmarks/RESULTS.md, between the marks of its part."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PAGE = Path("benchmarks/RESULTS.md")
TOLD = ("numpy", "zstandard", "numba", "torch", "safetensors")


def machine() -> dict:
    """Return what a figure depends on: processor, cores, versions, and how busy the machine was at the start."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    } | {name: _version(name) for name in TOLD}


def write(part: str, command: str, facts: dict, said: str, pictures: list[Path], page: Path = PAGE) -> None:
    """Replace the *part* of the page by what this run said."""
    day = datetime.now(UTC).date().isoformat()
    told = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    lines = [
        f"`{command}`, {day}. {told}.",
        "",
        "```text",
        *(line.rstrip() for line in said.strip().splitlines()),
        "```",
    ]
    lines += [f"\n![{path.stem}](results/{path.name})" for path in pictures]
    marks = f"<!-- {part} -->", f"<!-- end of {part} -->"
    text = page.read_text()
    block = "\n".join([marks[0], *lines, marks[1]])
    found = re.sub(re.escape(marks[0]) + ".*?" + re.escape(marks[1]), lambda _: block, text, flags=re.DOTALL)
    page.write_text(found)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
