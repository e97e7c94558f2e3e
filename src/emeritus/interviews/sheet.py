"""The fact sheet: everything that the organisation tells a model about it, each fact with its source.

A sheet is canonical JSON (RFC 8785), signed with the record's key, and stands whole on the record. Facts are
added, never changed; each addition makes another sheet. The format is documented in docs/reference/sitting-format.md.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Literal

from attrs import asdict, frozen

from emeritus.core.digests import canonical, sha256
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.core.people import SOFTWARE, Actor, require_person
from emeritus.record import Act, Entry, Log
from emeritus.registry import get_model
from emeritus.registry.organisation import acting

FORMAT = "emeritus-fact-sheet/1"
MOST_CHARACTERS = 64 * 1024
About = Literal["deployment", "reception", "answer"]
Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], bool]


@frozen
class Fact:
    """One fact, as it is told. *about*: its ``deployment``, its ``reception``, or an ``answer`` to a model.

    *source* says where the organisation has it from; *entry* is the entry of the record that brought it.
    """

    id: str
    about: About
    title: str
    text: str
    source: str
    by: str
    entry: int


@frozen
class Sheet:
    """All facts about one model, at one time. *data* are the bytes that are signed."""

    model: str
    facts: tuple[Fact, ...]
    data: bytes
    digest: str

    def about(self, *what: About) -> tuple[Fact, ...]:
        """Return the facts about *what*, in order."""
        return tuple(fact for fact in self.facts if fact.about in what)

    def fact(self, fact_id: str) -> Fact:
        """Return a fact. Raises NotFound."""
        for fact in self.facts:
            if fact.id == fact_id:
                return fact
        known = ", ".join(fact.id for fact in self.facts) or "none"
        raise NotFound(f"There is no fact {fact_id[:60]!r} on the sheet.", next_step=f"It has: {known}.")


def sheet_of(log: Log, model_id: str) -> Sheet:
    """Return the sheet of everything that is known of a model now. Raises NotFound for an unknown model."""
    get_model(log, model_id)
    facts: list[Fact] = []
    for entry in log.entries(model=model_id, kinds={"model.added", "fact.added"}):
        for about, document in _brought(entry):
            source = document.get("source") or f"given by {entry.by.name}, with the model, to the register"
            facts.append(
                Fact(
                    id=f"f{len(facts) + 1}",
                    about=about,
                    title=document["title"],
                    text=document["text"].strip(),
                    source=source,
                    by=str(entry.by),
                    entry=entry.seq,
                )
            )
    return _sheet(model_id, facts)


def _brought(entry: Entry) -> list[tuple[About, Any]]:
    if entry.kind == "fact.added":
        return [(entry.body["about"], entry.body)]
    deployment: list[tuple[About, Any]] = [("deployment", each) for each in entry.body["facts"]]
    return [*deployment, *(("reception", each) for each in entry.body["reception"])]


def _sheet(model_id: str, facts: Sequence[Fact]) -> Sheet:
    data = canonical(_raw(model_id, facts))
    return Sheet(model_id, tuple(facts), data, sha256(data))


def _raw(model_id: str, facts: Sequence[Fact]) -> dict[str, Any]:
    return {"facts": [asdict(fact) for fact in facts], "format": FORMAT, "model": model_id}


def add_fact(
    log: Log,
    model_id: str,
    *,
    about: About,
    title: str,
    text: str,
    source: str,
    by: Actor,
    key: str | None = None,
) -> Fact:
    """Add a fact, as a steward; the next sheet has it. The same fact twice is one.

    Raises:
        InvalidInput: an empty or overlong title, text or source.
        NotPermitted: *by* is no steward. NotFound: there is no such model.
    """
    acting(log, require_person(by, "add a fact"), "steward", "add a fact")
    get_model(log, model_id)
    said = {"title": title.strip(), "text": text.strip(), "source": source.strip()}
    for name, most in (("title", 200), ("text", MOST_CHARACTERS), ("source", 1000)):
        if not said[name] or len(said[name]) > most or "\x00" in said[name]:
            raise InvalidInput(
                f"The fact's {name} is empty, no text, or longer than {most} characters.",
                next_step="Every fact has a title, a text, and a source that people can check.",
            )
    body = {"about": about, **said}
    same = key or f"fact.added:{model_id}:{sha256(canonical(body))}"
    entry = log.append(Act("fact.added", body, by, model_id, model_id, same))
    return next(fact for fact in sheet_of(log, model_id).facts if fact.entry == entry.seq)


def sign_sheet(log: Log, model_id: str, sign: Sign) -> Sheet:
    """Sign what is known of a model now, and put the sheet on the record; once for each sheet."""
    sheet = sheet_of(log, model_id)
    key = _key(model_id, sheet.digest)
    if log.find(key) is None:
        body = {
            "sheet": _raw(model_id, sheet.facts),
            "digest": sheet.digest,
            "signature": base64.b64encode(sign(sheet.data)).decode(),
        }
        log.append(Act("facts.signed", body, SOFTWARE, model_id, model_id, key))
    return sheet


def _key(model_id: str, digest: str) -> str:
    return f"facts.signed:{model_id}:{digest}"


def signed_sheet(log: Log, model_id: str, digest: str) -> Sheet:
    """Return a sheet as it was signed. Raises NotFound."""
    entry = log.find(_key(model_id, digest))
    if entry is None:
        raise NotFound(
            f"No fact sheet {digest[:80]} of {model_id} is on the record.",
            next_step=f"See those there are: `emeritus interview facts {model_id}`.",
        )
    return _sheet(model_id, [Fact(**each) for each in entry.body["sheet"]["facts"]])


def signed_sheets(log: Log, model_id: str) -> list[Entry]:
    """Return the entries of every signed sheet, the newest last."""
    return list(log.entries(model=model_id, kinds={"facts.signed"}))


def is_signed(entry: Entry, verify: Verify) -> bool:
    """Tell whether the sheet of a ``facts.signed`` entry has its digest, and a signature that *verify* knows."""
    data = canonical(entry.body["sheet"])
    try:
        signature = base64.b64decode(entry.body["signature"], validate=True)
    except (ValueError, binascii.Error):
        return False
    return sha256(data) == entry.body["digest"] and verify(data, signature)
