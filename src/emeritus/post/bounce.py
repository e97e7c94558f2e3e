"""Mail that comes back: delivery status notifications (RFC 3464), read for which letter it was and why."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

from attrs import frozen

from emeritus.core.errors import InvalidInput
from emeritus.process.mail import is_hard

MOST_BYTES = 4 << 20
_LETTER = re.compile(r"letter-[0-9a-hjkmnp-tv-z]{20}")
_ADDRESSED = ("To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Failed-Recipients")


@frozen
class Bounce:
    """One letter that was not delivered. *hard*: there is no such mailbox, and there will not be."""

    letter: str
    hard: bool
    said: str


def read_bounce(data: bytes) -> list[Bounce]:
    """Return what a notification tells of letters of ours; nothing when it only tells of a delay.

    Raises:
        InvalidInput: it is too long, no notification, or not about a letter of this house.
    """
    if len(data) > MOST_BYTES:
        raise InvalidInput("This is too long for a bounce.", next_step=f"Give at most {MOST_BYTES} bytes.")
    message = message_from_bytes(data, policy=policy.default.clone(raise_on_defect=False))
    reports = [part for part in message.walk() if part.get_content_type() == "message/delivery-status"]
    if not reports:
        raise InvalidInput(
            "This mail is no delivery status notification (RFC 3464).",
            next_step="Read it: it may be from a person, or from a server that writes its own way.",
        )
    found = next(_letters(message), None)
    if found is None:
        raise InvalidInput(
            "This notification names no letter of this house.",
            next_step="Check that mail_bounces is where it came to, and that the server keeps what follows '+'.",
        )
    told = [_told(block) for report in reports for block in _blocks(report) if block.get("Action")]
    return [Bounce(found, is_hard(said), said) for action, said in told if action in ("failed", "expired")]


def _blocks(report: Message) -> list[Message]:
    payload = report.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _told(block: Message) -> tuple[str, str]:
    action = str(block.get("Action", "")).strip().lower()
    said = " ".join(f"{block.get('Status', '')} {block.get('Diagnostic-Code', '')}".split())
    return action, said[:300]


def _letters(message: Message) -> Iterator[str]:
    """Yield letters by their return path, then by the Message-ID of what was sent back."""
    for name in _ADDRESSED:
        for value in message.get_all(name, []):
            yield from _LETTER.findall(str(value))
    for part in message.walk():
        match part.get_content_type():
            case "message/rfc822":
                inner = part.get_payload()
                if isinstance(inner, list) and inner and isinstance(inner[0], Message):
                    yield from _LETTER.findall(str(inner[0].get("Message-ID", "")))
            case "text/rfc822-headers" if isinstance(part, EmailMessage):
                yield from _LETTER.findall(part.get_content()[:100_000])
