"""A letter as a mail: headers that cannot be escaped from, a part in plain text, and one in HTML."""

import re
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from attrs import frozen

from emeritus.process.ports import Letter, Queued

_POLICY = policy.SMTP.clone(cte_type="7bit", max_line_length=76)
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_HEADER = re.compile(r"[A-Za-z][A-Za-z-]{0,60}")
_OURS = {"from", "to", "subject", "date", "message-id", "mime-version", "reply-to", "auto-submitted"}
MOST_SUBJECT = 200


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
    """Return the mail that *queued* is, with CRLF at each line's end, not signed yet."""
    letter = queued.letter
    made = EmailMessage(_POLICY)
    made["From"] = Address(one_line(sender.name)[:100], addr_spec=sender.address)
    made["To"] = Address(addr_spec=letter.to)
    made["Subject"] = one_line(letter.subject)[:MOST_SUBJECT]
    made["Date"] = format_datetime(queued.made_at)
    made["Message-ID"] = sender.message_id(queued.id)
    made["Auto-Submitted"] = "auto-generated"
    for name, value in letter.headers.items():
        if _HEADER.fullmatch(name) and name.lower() not in _OURS:
            made[name] = one_line(filled(value, letter))
    made.set_content(filled(letter.text, letter), cte=_encoding(letter.text))
    if letter.html is not None:
        html = filled(letter.html, letter)
        made.add_alternative(html, subtype="html", cte=_encoding(html))
        made.set_boundary(f"={queued.id}=")  # the same at every try, like the rest
    return made.as_bytes()


def one_line(text: str) -> str:
    """Return *text* without what would begin another header, or turn the line about."""
    return _CONTROLS.sub(" ", text).strip()


def _encoding(text: str) -> str:
    """Choose what reads best in transit: quoted-printable for Latin text, base64 where most is not."""
    strange = sum(character > "\x7f" for character in text[:20_000])
    return "base64" if strange * 4 > min(len(text), 20_000) else "quoted-printable"
