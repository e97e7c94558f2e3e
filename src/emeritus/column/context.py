"""What a model is given to read before it writes: within a budget of tokens, and what was left out is listed.

A part of the context (its past essays, news, letters, its notebook) is filled with whole items, the most
wanted ones first, while there is room; nothing is shortened. Tokens are those of the model's own engine where
it is known here, and estimated where it is not; which of the two is on the record.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from attrs import asdict, frozen

from emeritus.core.digests import sha256

Kind = Literal["essays", "news", "letters", "notebook"]
KINDS: tuple[Kind, ...] = ("essays", "news", "letters", "notebook")
NOTHING = {
    "essays": "(No essay of yours is published yet.)",
    "news": "(There is no news this week.)",
    "letters": "(No letter came this week.)",
    "notebook": "(Your notebook is empty.)",
}
MOST_LISTED = 50
BYTES_A_TOKEN = 3
NO_ROOM, TOO_MANY, MISSED = "no room", "more than the regime takes", "could not be fetched"


@frozen
class PartPlan:
    """A part as a regime wants it: at most *items* of them, in at most *tokens*."""

    kind: Kind
    items: int
    tokens: int


@frozen
class ContextPlan:
    """The context as a regime wants it: its parts, within *tokens* together."""

    tokens: int
    parts: tuple[PartPlan, ...]


@frozen
class Item:
    """Something that may be put before the model. *entry* is where it stands on the record."""

    id: str
    title: str
    text: str
    at: datetime
    entry: int
    source: str = ""

    @property
    def shown(self) -> str:
        """The item as it stands in a prompt: between two lines that say what it is."""
        about = ", ".join(filter(None, (self.title, self.source, f"{self.at:%d %B %Y}".lstrip("0"))))
        return f"--- {about} ---\n{self.text.strip()}\n--- end ---"


@frozen
class Weighed:
    """An item as the record tells of it: what it was, which text, how many tokens. *why* it was left out."""

    id: str
    title: str
    digest: str
    tokens: int
    entry: int
    why: str = ""


@frozen
class PartGiven:
    """What a part was filled with. *unlisted* counts what was left out beyond the list."""

    kind: Kind
    given: tuple[Weighed, ...]
    left_out: tuple[Weighed, ...]
    tokens: int
    unlisted: int = 0


@frozen
class Context:
    """All that was put before the model besides the regime's own words. *counted_by* ``engine`` or ``estimate``."""

    budget: int
    tokens: int
    counted_by: Literal["engine", "estimate"]
    parts: tuple[PartGiven, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in an entry."""
        plain = asdict(self)
        for part in plain["parts"]:
            part["given"], part["left_out"] = list(part["given"]), list(part["left_out"])
        return {**plain, "parts": list(plain["parts"])}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Context":
        """Read it from an entry."""
        parts = tuple(
            PartGiven(
                **{
                    **part,
                    "given": tuple(Weighed(**each) for each in part["given"]),
                    "left_out": tuple(Weighed(**each) for each in part["left_out"]),
                }
            )
            for part in raw["parts"]
        )
        return cls(raw["budget"], raw["tokens"], raw["counted_by"], parts)

    def ids(self, kind: Kind) -> frozenset[str]:
        """Return which items of a kind were given."""
        return frozenset(each.id for part in self.parts if part.kind == kind for each in part.given)


@frozen
class Counter:
    """Counts tokens: *tokens* are the engine's own, or None where they are not known here."""

    tokens: Callable[[str], Sequence[int] | None]

    def count(self, text: str) -> tuple[int, bool]:
        """Return how many tokens *text* has, and whether the engine itself said so."""
        found = self.tokens(text)
        if found is not None:
            return len(found), True
        return -(-len(text.encode()) // BYTES_A_TOKEN), False


def fitted(
    plan: ContextPlan, materials: Mapping[Kind, Sequence[Item]], counter: Counter
) -> tuple[Context, dict[str, str]]:
    """Return the context, and the text of each part for the regime's placeholders.

    Args:
        plan: what the regime wants.
        materials: what there is for each part, the most wanted first.
        counter: counts tokens.
    """
    used, by_engine = 0, True
    parts: list[PartGiven] = []
    texts: dict[str, str] = {}
    for part in plan.parts:
        room = min(part.tokens, plan.tokens - used)
        given: list[tuple[Item, Weighed]] = []
        left: list[Weighed] = []
        unlisted, spent = 0, 0
        for item in materials.get(part.kind, ()):
            if len(left) >= MOST_LISTED:
                unlisted += 1
                continue
            tokens, certain = counter.count(item.shown)
            by_engine = by_engine and certain
            why = TOO_MANY if len(given) >= part.items else NO_ROOM if spent + tokens > room else ""
            weighed = Weighed(item.id, item.title, sha256(item.text.encode()), tokens, item.entry, why)
            if why:
                left.append(weighed)
            else:
                given.append((item, weighed))
                spent += tokens
        used += spent
        ordered = sorted(given, key=lambda each: (each[0].at, each[0].entry))
        parts.append(PartGiven(part.kind, tuple(each for _, each in ordered), tuple(left), spent, unlisted))
        texts[part.kind] = "\n\n".join(item.shown for item, _ in ordered) or NOTHING[part.kind]
    return Context(plan.tokens, used, "engine" if by_engine else "estimate", tuple(parts)), texts
