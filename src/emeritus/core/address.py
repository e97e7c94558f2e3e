"""Mail addresses: checked before anything is kept or sent, so that none can carry a second header."""

import re

from emeritus.core.errors import InvalidInput

LONGEST = 254
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def mail_address(text: str) -> str:
    """Return *text* as an address (RFC 5321), its domain in lower case and in ASCII (IDNA).

    Quoted local parts, address literals and local parts outside of ASCII are refused: hardly any mail
    server delivers them, and much that reads them is deceived by them.

    Raises:
        InvalidInput: it is none.
    """
    local, at, domain = text.strip().rpartition("@")
    try:
        host = domain.encode("idna").decode("ascii").lower().rstrip(".")
    except UnicodeError:
        host = ""
    labels = host.split(".")
    sound = _LOCAL.fullmatch(local) and len(local) <= 64 and all(map(_LABEL.fullmatch, labels))
    if not at or not sound or len(local) + 1 + len(host) > LONGEST:
        raise InvalidInput(
            f"{text.strip()[:80]!r} is no mail address that can be written to.",
            next_step="Write it as name@example.org.",
        )
    return f"{local}@{host}"
