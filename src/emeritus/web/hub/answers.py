"""Answers as the Hub's clients read them: JSON, and refusals that become the client's own errors."""

import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from emeritus.archive.manifest import FileRecipe
from emeritus.core.errors import EmeritusError, IntegrityError
from emeritus.web.hub.door import Refused
from emeritus.web.hub.ranges import Part
from emeritus.web.hub.snapshot import etag_of

RETRY_SECONDS: Final = "3"


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return *value* as JSON."""
    every = {"cache-control": "no-store", **(headers or {})}
    return Response(msgspec.json.encode(value), status, every, "application/json")


def refusal(told: str, status: int, code: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return why there is no answer: in the body, and in the headers, since HEAD has no body."""
    every = {"x-error-code": code, "x-error-message": _line(told), **(headers or {})}
    if status == 401:
        every["www-authenticate"] = 'Bearer realm="emeritus"'
    return json_answer({"error": told}, status, every)


def refused(why: Refused) -> Response:
    """Return a refusal of the door's."""
    headers = commit_header(why.commit) if why.commit else {}
    if why.code in (
        "GatedRepo",
        "RepoNotFound",
    ):  # `hf` has a sentence of its own; ours it shows as a warning
        topic = f"{zlib.crc32(why.told.encode()):08x}"  # it warns once of each topic
        headers["x-hf-warning"] = f"{topic}; {_line(why.told)}"
    return refusal(why.told, why.status, why.code, headers)


def failed(error: EmeritusError) -> Response:
    """Return a typed error. What a damaged archive says of itself goes to the steward, not to the caller."""
    headers = {"retry-after": RETRY_SECONDS} if error.status in (429, 503) else None
    if isinstance(error, IntegrityError):
        told = f"This file is damaged here, and cannot be given: {error.sentence} The steward has been told."
        return refusal(told, error.status, error.id, headers)
    return refusal(str(error), error.status, error.id, headers)


def commit_header(commit: str) -> dict[str, str]:
    """Return the header that says which commit answered."""
    return {"x-repo-commit": commit}


def file_headers(file: FileRecipe, commit: str, part: Part) -> dict[str, str]:
    """Return the headers of a file, or of a part of it."""
    plain = file.name.rpartition("/")[2].encode("ascii", "replace").decode().replace('"', "_")
    headers = {
        **commit_header(commit),
        "etag": etag_of(file),
        "x-linked-etag": etag_of(file),
        "x-linked-size": str(file.size),
        "accept-ranges": "bytes",
        "content-type": "application/octet-stream",
        "content-length": str(part.length),
        "content-disposition": f'attachment; filename="{plain}";',
        "cache-control": "private, no-cache, no-transform",
        "vary": "authorization",
    }
    if part.partial:
        headers["content-range"] = part.content_range
    return headers


def _line(text: str) -> str:
    """Return *text* as a header can carry it: one line of plain characters."""
    flat = "".join(char if char.isprintable() else " " for char in text)
    return flat.encode("ascii", "replace").decode()[:1000]
