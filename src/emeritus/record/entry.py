"""An act, and the entry that it becomes.

The entries are the events of the whole house: the state of a model, a retirement, a preference, an
essay or a grant is folded from them, and from nothing else.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from emeritus.core.clock import instant, parse_instant
from emeritus.core.digests import canonical, from_canonical
from emeritus.core.errors import IntegrityError, InvalidInput
from emeritus.core.people import Actor
from emeritus.record.merkle import leaf_hash

VERSION = 1
MAX_BYTES = 1 << 20
_KIND = re.compile(r"[a-z_]+\.[a-z_]+")


@frozen
class Act:
    """Something that somebody does, not yet on the record.

    *kind* is ``noun.verb`` in the past tense (``essay.published``). *body* is public, for ever: what is
    private goes in as a salted commitment. *subject* is the id of what the act is about. *key* makes
    the act idempotent: doing it again changes nothing, doing another under the same key is a conflict.
    """

    kind: str
    body: Mapping[str, Any]
    by: Actor
    model: str | None = None
    subject: str | None = None
    key: str | None = None


@frozen
class Entry:
    """An act on the record: its place (*seq*, from 0), its time, and the bytes that were logged.

    *key* is the act's idempotency key; entries written before keys were logged have none in their bytes.
    """

    seq: int
    at: datetime
    kind: str
    by: Actor
    model: str | None
    subject: str | None
    body: Mapping[str, Any]
    key: str | None
    data: bytes = field(repr=False)

    @property
    def leaf(self) -> bytes:
        """The RFC 6962 leaf hash, 32 bytes."""
        return leaf_hash(self.data)

    def same_act(self, act: Act) -> bool:
        """Tell whether *act* is the one that stands here (whoever repeats it, and whenever)."""
        return (self.kind, self.model, self.subject, canonical(dict(self.body))) == (
            act.kind,
            act.model,
            act.subject,
            canonical(dict(act.body)),
        )

    @classmethod
    def of(cls, act: Act, seq: int, at: datetime) -> "Entry":
        """Give *act* its place and time. Raises InvalidInput when it cannot be logged."""
        if not _KIND.fullmatch(act.kind):
            raise InvalidInput(f"{act.kind!r} is no kind of act.", next_step="Write it as noun.verb.")
        raw: dict[str, Any] = {
            "v": VERSION,
            "seq": seq,
            "at": instant(at),
            "kind": act.kind,
            "by": str(act.by),
            "model": act.model,
            "subject": act.subject,
            "body": dict(act.body),
        }
        if act.key is not None:
            raw["key"] = act.key
        data = canonical(raw)
        if len(data) > MAX_BYTES:
            raise InvalidInput(
                f"The act {act.kind} has {len(data)} bytes, and the record takes {MAX_BYTES}.",
                next_step="Put the long part into a file, and its digest on the record.",
            )
        return cls.read(data)

    @classmethod
    def read(cls, data: bytes) -> "Entry":
        """Read logged bytes. Raises IntegrityError when they are not an entry."""
        raw = from_canonical(data)
        try:
            if raw["v"] != VERSION:
                raise IntegrityError(
                    f"An entry has version {raw['v']!r}; this release reads version {VERSION}.",
                    next_step="Use a newer release of Emeritus.",
                )
            return cls(
                seq=raw["seq"],
                at=parse_instant(raw["at"]),
                kind=raw["kind"],
                by=Actor.parse(raw["by"]),
                model=raw["model"],
                subject=raw["subject"],
                body=raw["body"],
                key=raw.get("key"),
                data=data,
            )
        except (KeyError, TypeError, AttributeError, InvalidInput):
            raise IntegrityError(
                "Stored bytes are not an entry of the record any more.",
                next_step="Run `emeritus record verify` to see which one.",
            ) from None
