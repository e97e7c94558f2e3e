"""What is asked for: repository, revision and path, read from the path as it was sent.

The decoded path will not do: a revision may hold an encoded slash, and so may a path.
"""

from typing import Final, Literal
from urllib.parse import unquote

from attrs import frozen
from starlette.requests import Request

from emeritus.core.errors import EmeritusError

LONGEST: Final = 4096
What = Literal["info", "tree", "paths-info", "refs", "commits", "auth-check", "resolve"]


class Malformed(EmeritusError):
    """The path of a request cannot be read."""

    id = "hub.malformed"
    status = 400
    exit_code = 2


@frozen
class Asked:
    """What is asked of a repository. *revision* is ``main`` unless another was named."""

    what: What
    repo: str
    revision: str = "main"
    path: str = ""


def parse(request: Request) -> Asked | None:
    """Read the path; None when it is none of the Hub's.

    Raises:
        Malformed: it is too long or not UTF-8.
    """
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    if len(raw) > LONGEST:
        raise Malformed("The path is too long.", next_step="Ask for a file that the model has.")
    try:
        parts = [
            unquote(part, errors="strict") for part in raw.partition(b"?")[0].decode("ascii").split("/")[1:]
        ]
    except UnicodeError:
        raise Malformed("The path is not UTF-8.", next_step="Encode it as the Hub's clients do.") from None
    return _api(parts[2:]) if parts[:2] == ["api", "models"] else _resolve(parts)


def _api(parts: list[str]) -> Asked | None:
    """Read ``{repo}[/{what}[/{revision}[/{path}]]]``, where *repo* is one part or two."""
    for length in (1, 2):
        if len(parts) >= length and all(parts[:length]):
            asked = _about("/".join(parts[:length]), parts[length:])
            if asked is not None:
                return asked
    return None


def _about(repo: str, rest: list[str]) -> Asked | None:
    match rest:
        case []:
            return Asked("info", repo)
        case [("refs" | "auth-check") as what]:
            return Asked(what, repo)
        case ["revision", *revision] if any(revision):
            return Asked("info", repo, "/".join(revision))
        case ["tree", revision, *path] if revision:
            return Asked("tree", repo, revision, "/".join(path).strip("/"))
        case [("paths-info" | "commits") as what, revision] if revision:
            return Asked(what, repo, revision)
    return None


def _resolve(parts: list[str]) -> Asked | None:
    """Read ``{repo}/resolve/{revision}/{path}``."""
    for length in (1, 2):
        if len(parts) > length + 2 and parts[length] == "resolve" and all(parts[:length]):
            return Asked(
                "resolve", "/".join(parts[:length]), parts[length + 1], "/".join(parts[length + 2 :])
            )
    return None
