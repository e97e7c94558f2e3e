"""A letter as a mail: headers that cannot be escaped from, a part in plain text, and one in HTML."""

import base64
import binascii
import io
import re
from email.header import Header
from email.utils import format_datetime, formataddr
from functools import lru_cache
from itertools import groupby

from attrs import frozen

from emeritus.process.ports import Letter, Queued

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_BEYOND_ASCII = bytes(range(128, 256))
_HEADER = re.compile(r"[A-Za-z][A-Za-z-]{0,60}")
_OURS = {"from", "to", "subject", "date", "message-id", "mime-version", "reply-to", "auto-submitted"}
MOST_SUBJECT, MOST_HEADER = 200, 800


@frozen
class Sender:
    """Who writes. *bounces*: where mail that cannot be delivered comes back to; empty: to *address*."""

    address: str
    name: str = ""
    bounces: str = ""

    @property
    def domain(self) -> str:
        """The domain that answers for the mail: that of the address."""
        return self.address.rpartition("@")[2]

    def return_path(self, id: str) -> str:  # noqa: A002
        """Return the envelope sender of one letter, by which its bounce is known (VERP)."""
        if not self.bounces:
            return self.address
        local, _, domain = self.bounces.rpartition("@")
        return f"{local}+{id}@{domain}"

    def message_id(self, id: str) -> str:  # noqa: A002
        """Return the Message-ID of a letter: the same at every try, so that a second copy can be told."""
        return f"<{id}@{self.domain}>"


def filled(text: str, letter: Letter) -> str:
    """Return *text* with the fields of *letter* filled in."""
    for name, value in letter.fields.items():
        text = text.replace(name, value)
    return text


def compose(queued: Queued, sender: Sender) -> bytes:
    """Return the mail that *queued* is, with CRLF at each line's end, not signed yet.

    It is put together by hand: the standard library's way takes longer than all else that is done to a mail.
    """
    letter = queued.letter
    head = [
        _header("From", formataddr((one_line(sender.name)[:100], sender.address))),
        _header("To", letter.to),
        _header("Subject", one_line(letter.subject)[:MOST_SUBJECT]),
        _header("Date", format_datetime(queued.made_at)),
        _header("Message-ID", sender.message_id(queued.id)),
        _header("Auto-Submitted", "auto-generated"),
    ]
    head += [
        _header(name, one_line(filled(value, letter))[:MOST_HEADER])
        for name, value in letter.headers.items()
        if _HEADER.fullmatch(name) and name.lower() not in _OURS
    ]
    head.append("MIME-Version: 1.0\r\n")
    text = _part(letter.text, letter, "plain")
    if letter.html is None:
        return "".join(head).encode() + text
    mark = f"={queued.id}="  # the same at every try, like the rest; no encoded line begins with two hyphens and it
    head.append(f'Content-Type: multipart/alternative; boundary="{mark}"\r\n\r\n')
    between = f"\r\n--{mark}\r\n".encode()
    html = _part(letter.html, letter, "html")
    return "".join(head).encode() + between[2:] + text + between + html + f"\r\n--{mark}--\r\n".encode()


@lru_cache(maxsize=512)
def _header(name: str, value: str) -> str:
    """Write a header in ASCII; what has spaces is folded, what has none (an address, a link) never is."""
    if value.isascii() and (len(name) + len(value) < 76 or " " not in value):
        return f"{name}: {value}\r\n"
    charset = "us-ascii" if value.isascii() else "utf-8"
    folded = Header(value, charset, 76, name).encode(linesep="\r\n")
    return f"{name}: {folded}\r\n"


def _part(text: str, letter: Letter, subtype: str) -> bytes:
    """Write a text of *letter* with its headers, in whatever encoding reads best in transit.

    Quoted-printable goes line by line, so of what many get only the lines are written anew in which a field stands.
    """
    # Only what many get is kept for the next: a letter to one person is forgotten.
    fields = tuple(letter.fields)
    pieces = _pieces(text, fields) if fields else _pieces.__wrapped__(text, ())
    if pieces is None:
        encoding, body = "base64", base64.encodebytes(_lines(filled(text, letter))).replace(b"\n", b"\r\n")
    else:
        encoding = "quoted-printable"
        body = b"".join(each if isinstance(each, bytes) else _quoted(filled(each, letter)) for each in pieces)
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head.encode() + body


@lru_cache(maxsize=16)
def _pieces(text: str, fields: tuple[str, ...]) -> tuple[bytes | str, ...] | None:
    """Return *text* with all encoded that is the same in each letter; None where most of it is not Latin."""
    data = _lines(text)
    if len(data.translate(None, _BEYOND_ASCII)) * 2 < len(data):
        return None
    pieces: list[bytes | str] = []
    for own, lines in groupby(
        io.StringIO(data.decode(), newline="\n"),
        key=lambda line: any(name in line for name in fields),
    ):
        same = "".join(lines)
        pieces.append(same if own else _quoted(same))
    return tuple(pieces)


def _lines(text: str) -> bytes:
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return (plain if plain.endswith("\n") else plain + "\n").encode()


def _quoted(text: str) -> bytes:
    return binascii.b2a_qp(_lines(text), istext=True).replace(b"\n", b"\r\n")


def one_line(text: str) -> str:
    """Return *text* without what would begin another header, or turn the line about."""
    return _CONTROLS.sub(" ", text).strip()
