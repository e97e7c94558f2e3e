"""Progress bars for stretches, on a terminal; lines where there is none."""

import threading
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Bars:
    """Shows what the stages tell (`emeritus.process.ports.Watch`), from any thread."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars = Progress(
            TextColumn("[bold]{task.fields[stage]:10}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], float] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def watch(self, stage: str, subject: str, done: int, total: int, what: str) -> None:
        """Show that *done* of *total* of a stage is done."""
        with self._lock:
            if not self._console.is_terminal:
                self._line(stage, subject, done, total, what)
                return
            task = self._tasks.get((stage, subject))
            if task is None:
                task = self._bars.add_task(what, total=total or None, stage=stage)
                self._tasks[stage, subject] = task
            self._bars.update(task, completed=done, total=total or None, description=what)

    def _line(self, stage: str, subject: str, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if now - self._told.get((stage, subject), 0.0) >= 5.0 or (total and done == total):
            self._told[stage, subject] = now
            percent = f"{100 * done // total} % " if total else ""
            self._console.print(f"{stage}: {percent}{what}", highlight=False)
