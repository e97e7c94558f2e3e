"""Who acts. A person, a script that stands in for one (demo only, labelled), or the software itself."""

import re
from typing import Literal

from attrs import frozen

from emeritus.core.errors import InvalidInput, NotPermitted

Kind = Literal["person", "script", "software", "model"]
_NAME = re.compile(r"[^\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]{1,80}")


@frozen
class Actor:
    """Who did an act. Written as ``kind:name``, e.g. ``person:Ada Lovelace``."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def is_scripted(self) -> bool:
        """True for a script that stands in for a person; every page that shows it must say so."""
        return self.kind == "script"

    @classmethod
    def parse(cls, text: str) -> "Actor":
        """Read ``kind:name``. Raises InvalidInput."""
        kind, _, name = text.partition(":")
        match kind:
            case "person" | "script" | "software" | "model":
                return cls(kind, clean_name(name))
        raise InvalidInput(f"{text[:60]!r} does not say who acts.", next_step="Write 'person:NAME'.")


@frozen
class Seat:
    """Somebody who came with a sign-in token. *token* names it (its hash), so that ending it ends what it opened."""

    actor: Actor
    token: str


def clean_name(text: str) -> str:
    """Return a person's name without surrounding space. Raises InvalidInput when it cannot be one."""
    name = text.strip()
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "A name needs 1 to 80 characters, without control characters.",
            next_step="Give the name as it should stand on the public record.",
        )
    return name


def person(name: str) -> Actor:
    """Return the actor for a person called *name*."""
    return Actor("person", clean_name(name))


SOFTWARE = Actor("software", "emeritus")


def require_person(actor: Actor, act: str) -> Actor:
    """Return *actor* when a named person (or the demo's labelled script) acts.

    Law 3: publishing, vetoing, granting against policy, deciding and retiring are acts of a person.

    Raises:
        NotPermitted: when software or a model acts.
    """
    if actor.kind not in ("person", "script"):
        raise NotPermitted(
            f"Only a person can {act}, and {actor} is not one.",
            next_step="Sign in, or name yourself with --as 'YOUR NAME'.",
        )
    return actor
