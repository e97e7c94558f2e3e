"""What somebody wants checked: parsed from an address or a path."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from attrs import frozen

from emeritus.core.errors import NotFound
from emeritus.record.source import FolderSource, HttpSource, Source

Kind = Literal["site", "essay", "interview", "report", "model", "entry", "weights", "escrow"]
_PAGES: tuple[tuple[Kind, str], ...] = (
    ("essay", r"column/essays/(?P<id>[^/]+?)(?:\.txt|\.json|/prompt)?"),
    ("interview", r"models/(?P<id>[^/]+)/interview(?:/(?P<number>\d{1,6}))?(?:\.json)?"),
    ("report", r"models/(?P<id>[^/]+)/report(?:/(?P<number>\d{1,6}))?(?:\.json|\.pdf)?"),
    ("model", r"models/(?P<id>[^/]+?)(?:/(?:notice|decisions))?"),
    ("model", r"column/(?P<id>[^/]+)"),
    ("entry", r"record/(?P<number>\d{1,15})(?:/proof|\.json)?"),
    ("site", r"(?:column|record|notices|promises)?"),
)


@frozen
class Target:
    """*id* of an essay or model, *number* of a sitting, report or entry; *folder* for weights and escrows."""

    kind: Kind
    given: str
    source: Source | None = None
    id: str = ""
    number: int | None = None
    folder: Path | None = None


def target_of(given: str) -> Target:
    """Read what *given* names: a page of a site, a site, or a folder or file on this machine.

    Raises:
        InvalidInput: it is no address. NotFound: there is no such file.
    """
    if "://" in given:
        HttpSource(given)  # or it is no address
        parts = urlsplit(given)
        base, kind, name, number = _page(unquote(parts.path).strip("/"))
        address = f"{parts.scheme}://{parts.netloc}/{base}"
        return Target(kind, given, HttpSource(address), name, number)
    path = Path(given)
    if not path.exists():
        raise NotFound(
            f"There is nothing at {given[:200]}.",
            next_step="Give an address with https://, a folder or a file.",
        )
    if (path / "bagit.txt").is_file():
        return Target("escrow", given, folder=path)
    whole = path.resolve()
    for above in (whole, *whole.parents):
        if (above / "record" / "checkpoint").is_file():
            inside = "" if whole == above else whole.relative_to(above).as_posix()
            base, kind, name, number = _page(inside)
            if not base:
                return Target(kind, given, FolderSource(above), name, number)
    return Target("weights", given, folder=path)


def _page(path: str) -> tuple[str, Kind, str, int | None]:
    """Split the path of a page into the site's own path, and what the page shows."""
    for kind, pattern in _PAGES:
        found = re.fullmatch(rf"(?P<base>(?:[^/]+/)*?){pattern}", path)
        if found:
            named = found.groupdict()
            number = named.get("number")
            return named["base"].strip("/"), kind, named.get("id") or "", int(number) if number else None
    return path, "site", "", None
