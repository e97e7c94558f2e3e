"""Ranges and conditions of a request (RFC 9110, sections 13 and 14), as far as one file needs them."""

import re
from collections.abc import Mapping

from attrs import frozen

_SPEC = re.compile(r"(\d{0,18})-(\d{0,18})")


@frozen
class Part:
    """The bytes from *start* up to *end* of a file of *size*; *partial* when the answer is a 206."""

    start: int
    end: int
    size: int
    partial: bool

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


class Unsatisfiable(Exception):
    """No byte of the file lies in the range: 416."""


def choose(headers: Mapping[str, str], size: int, etag: str) -> Part:
    """Return the part that is asked for: all of it, unless a single range is asked for that still holds.

    Several ranges, other units and what cannot be read are passed over, as the RFC allows: then all of the
    file is the answer.

    Raises:
        Unsatisfiable: the range begins behind the end.
    """
    whole = Part(0, size, size, partial=False)
    text = headers.get("range", "").strip()
    unit, _, spec = text.partition("=")
    if unit.strip().lower() != "bytes" or not _still_holds(headers.get("if-range"), etag):
        return whole
    found = _SPEC.fullmatch(spec.strip())
    if found is None or not (found[1] or found[2]):
        return whole
    if not found[1]:
        length = min(int(found[2]), size)
        if not length:
            raise Unsatisfiable
        return Part(size - length, size, size, partial=True)
    start = int(found[1])
    end = int(found[2]) + 1 if found[2] else size
    if found[2] and end <= start:
        return whole
    if start >= size:
        raise Unsatisfiable
    return Part(start, min(end, size), size, partial=True)


def is_known(headers: Mapping[str, str], etag: str) -> bool:
    """Tell whether the caller has it already (``If-None-Match``): 304."""
    return _names(headers.get("if-none-match"), etag, weak=True)


def is_another(headers: Mapping[str, str], etag: str) -> bool:
    """Tell whether the caller wants another state of it (``If-Match``): 412."""
    text = headers.get("if-match")
    return text is not None and not _names(text, etag, weak=False)


def _names(text: str | None, etag: str, *, weak: bool) -> bool:
    if text is None:
        return False
    if text.strip() == "*":
        return True
    given = [each.strip() for each in text.split(",")]
    return etag in ([each.removeprefix("W/") for each in given] if weak else given)


def _still_holds(if_range: str | None, etag: str) -> bool:
    """A date never holds: a file here has none."""
    return if_range is None or if_range.strip() == etag
