"""What every command shares: where the house is, who acts, and how things are printed."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import structlog
from attrs import define

from emeritus.core.clock import instant
from emeritus.core.errors import InvalidInput
from emeritus.core.people import Actor, person

if TYPE_CHECKING:
    from emeritus.process.ports import Watch
    from emeritus.settings import Settings
    from emeritus.wiring import House


@define
class Home:
    """The options that stand before the command."""

    folder: Path | None
    name: str | None

    def settings(self, **given: Any) -> "Settings":
        """Read the settings."""
        from emeritus.settings import load_settings

        return load_settings(self.folder, **given)

    @contextmanager
    def open(self, watch: "Watch | None" = None, logs: int = logging.WARNING) -> "Iterator[House]":
        """Open the house; log from the level *logs* on."""
        from emeritus.process.ports import unwatched
        from emeritus.wiring import open_house  # all the libraries come with it

        quiet_logs(logs)
        with open_house(self.settings(), watch=watch or unwatched) as house:
            yield house

    def actor(self) -> Actor:
        """Return who acts. Raises InvalidInput when nobody was named."""
        if not self.name:
            raise InvalidInput(
                "This is an act of a person, and nobody is named.",
                next_step="Say who acts: emeritus --as 'YOUR NAME' …, or set EMERITUS_AS.",
            )
        return person(self.name)


def quiet_logs(level: int = logging.WARNING) -> None:
    """Send structured logs to standard error, as JSON lines, from *level* on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def say_json(value: Any) -> None:
    """Print *value* as JSON; times as RFC 3339 in UTC, as on the record."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_written))


def _written(value: Any) -> str:
    return instant(value) if isinstance(value, datetime) else str(value)


def day(at: datetime | None) -> str:
    """Write a moment for people."""
    return "" if at is None else f"{at:%Y-%m-%d}"


def size(count: int | None) -> str:
    """Write a number of bytes for people, in powers of 1000."""
    if count is None:
        return "?"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} TB"


def documents(paths: tuple[Path, ...]) -> list[tuple[str, str]]:
    """Read texts that a steward shares, as (title, text). Raises InvalidInput."""
    read = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as why:
            said = why.strerror if isinstance(why, OSError) else "it is not UTF-8"
            raise InvalidInput(
                f"{path} cannot be read as text: {said}.", next_step="Give a UTF-8 text file."
            ) from None
        first = text.lstrip().splitlines()[0].lstrip("# ").strip() if text.strip() else path.stem
        read.append((first[:120] if first else path.stem, text))
    return read
