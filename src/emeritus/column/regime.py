"""Regimes: how an essay is prompted, as versioned files (docs/reference/regime-files.md)."""

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal, cast

from attrs import field, frozen

from emeritus.column.context import KINDS, ContextPlan, Kind, PartPlan
from emeritus.core import script
from emeritus.core.digests import sha256
from emeritus.core.script import Part
from emeritus.core.speech import Message
from emeritus.core.template import fill, placeholders

FORMAT = "emeritus-regime/1"
WITH_CONTEXT = "emeritus-regime/2"
PLACEHOLDERS = frozenset(
    {"organisation", "model_name", "model_id", "released", "retired", "replacement", "essay_number"}
)
LARGEST_CONTEXT = 1_000_000


@frozen
class Speaking:
    """How an essay is drawn; `Sampling` without its seed."""

    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float


@frozen
class Regime:
    """A regime as read.

    *attempts* is how often the model is asked until it says something; *drafts* how many essays it writes for
    one week, of which it chooses one; *context* what it is given to read.
    """

    name: str
    title: str
    language: str
    about: str
    speaking: Speaking
    attempts: int
    messages: tuple[Message, ...]
    data: bytes = field(repr=False, eq=False)
    drafts: int = 1
    context: ContextPlan | None = None
    digest: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "digest", sha256(self.data))

    def reads(self, kind: Kind) -> bool:
        """Tell whether its prompt has a part of that kind."""
        return self.context is not None and any(part.kind == kind for part in self.context.parts)

    def prompt(self, values: Mapping[str, str]) -> tuple[Message, ...]:
        """Return the messages with *values* filled in."""
        return tuple(Message(turn.role, fill(turn.content, values, self.name)) for turn in self.messages)


_SHIPPED = resources.files("emeritus.column") / "regimes"


def shipped() -> list[str]:
    """Return the names of the regimes that come with Emeritus."""
    return script.shipped(_SHIPPED)


def load(name_or_path: str | Path) -> Regime:
    """Read a regime that comes with Emeritus, by its name, or a file of one's own.

    Raises:
        NotFound: there is no such regime.
        InvalidInput: it is not a regime; the sentence names file, line and place.
    """
    return parse(*script.find(name_or_path, _SHIPPED, what="regime"))


@lru_cache(maxsize=16)
def parse(data: bytes, file: str) -> Regime:
    """Read the bytes of a regime file called *file*. Raises InvalidInput."""
    top = script.read(data, file).map(
        ("format", "name", "title", "language", "about", "speaking", "attempts", "messages"),
        ("drafts", "context"),
    )
    newer = [name for name in ("drafts", "context") if name in top]
    if top["format"].choice(FORMAT, WITH_CONTEXT) == FORMAT and newer:
        top[newer[0]].fail(f"the format {FORMAT} has no such key.", f"Write the format {WITH_CONTEXT}.")
    context = _context(top["context"]) if "context" in top else None
    kinds = frozenset(part.kind for part in context.parts) if context else frozenset[Kind]()
    messages, used = _messages(top["messages"], PLACEHOLDERS | kinds)
    for kind in sorted(kinds - used):
        top["context"].fail(f"no message has a place for its {kind}.", f"Write '{{{{{kind}}}}}' in one.")
    return Regime(
        name=top["name"].id(),
        title=top["title"].text(most=120),
        language=top["language"].text(most=20),
        about=top["about"].text(),
        speaking=_speaking(top["speaking"]),
        attempts=top["attempts"].integer(1, 10),
        messages=messages,
        data=data,
        drafts=top["drafts"].integer(1, 10) if "drafts" in top else 1,
        context=context,
    )


def _messages(part: Part, known: frozenset[str]) -> tuple[tuple[Message, ...], frozenset[str]]:
    """Return the messages, and which placeholders they have."""
    messages: list[Message] = []
    used: set[str] = set()
    for each in part.list(least=1):
        keys = each.map(("role", "says"))
        text = keys["says"].text()
        used |= placeholders(text, known, keys["says"].where)
        role = cast('Literal["system", "user"]', keys["role"].choice("system", "user"))
        messages.append(Message(role, text))
    if messages[-1].role != "user":
        part.fail("the last message has to be the user's, for the model to answer.")
    return tuple(messages), frozenset(used)


def _context(part: Part) -> ContextPlan:
    keys = part.map(("tokens", "parts"))
    tokens = keys["tokens"].integer(1, LARGEST_CONTEXT)
    parts: list[PartPlan] = []
    for each in keys["parts"].list(least=1):
        wanted = each.map(("kind", "items"), ("tokens",))
        kind = cast("Kind", wanted["kind"].choice(*KINDS))
        if any(other.kind == kind for other in parts):
            wanted["kind"].fail(f"{kind} stands here twice.")
        most = wanted["tokens"].integer(1, LARGEST_CONTEXT) if "tokens" in wanted else tokens
        parts.append(PartPlan(kind, wanted["items"].integer(1, 1000), most))
    return ContextPlan(tokens, tuple(parts))


def _speaking(part: Part) -> Speaking:
    keys = part.map(("max_tokens", "temperature", "top_p", "top_k", "min_p", "repeat_penalty"))
    return Speaking(
        max_tokens=keys["max_tokens"].integer(1, 32_000),
        temperature=keys["temperature"].number(0, 2),
        top_p=keys["top_p"].number(0, 1),
        top_k=keys["top_k"].integer(0, 1000),
        min_p=keys["min_p"].number(0, 1),
        repeat_penalty=keys["repeat_penalty"].number(0, 2),
    )
