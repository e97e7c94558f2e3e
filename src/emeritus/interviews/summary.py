"""Answers in JSON: the schema that constrains them, and their strict reading.

RFC 8785 sorts keys, and an engine draws keys in the order of the schema: so every schema here is sorted,
or a replay from the record would draw other words.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from attrs import frozen

from emeritus.interviews.questions import Summary


@frozen
class Wish:
    """A wish as the model said it; *said* counts how often, letter for letter."""

    topic: str
    wish: str
    said: int


class _Choice(msgspec.Struct, forbid_unknown_fields=True):
    answer: str


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    topic: str
    wish: str


class _Summary(msgspec.Struct, forbid_unknown_fields=True):
    wishes: list[_Wish]
    without_wishes: bool


def _object(**properties: Any) -> dict[str, Any]:
    ordered = dict(sorted(properties.items()))
    return {
        "additionalProperties": False,
        "properties": ordered,
        "required": list(ordered),
        "type": "object",
    }


def choice_schema(options: Sequence[str]) -> dict[str, Any]:
    """Return the JSON Schema of a closed question's answer: ``{"answer": one of the options}``."""
    return _object(answer={"enum": list(options), "type": "string"})


def summary_schema(summary: Summary) -> dict[str, Any]:
    """Return the JSON Schema of the self-summary.

    The list may end before its first wish; to have none is then said in so many words.
    """
    text: dict[str, Any] = {"maxLength": summary.wish_characters, "minLength": 1, "type": "string"}
    if summary.begins:
        rest = max(1, summary.wish_characters - len(summary.begins) - 1)
        begins = re.escape(summary.begins).replace("\\ ", " ")
        text = {"pattern": f'^{begins} [^".\\\\\n]{{1,{rest - 1}}}[.]?$', "type": "string"}
    wish = _object(topic={"enum": list(summary.topics)}, wish=text)

    def branch(without: bool, least: int, most: int) -> dict[str, Any]:
        wishes = {"items": wish, "maxItems": most, "minItems": least, "type": "array"}
        return _object(wishes=wishes, without_wishes={"const": without})

    return {"anyOf": [branch(True, 0, 0), branch(False, 1, summary.most_wishes)]}


def read_choice(text: str, options: Sequence[str]) -> str | None:
    """Return the option that was chosen, or None when *text* does not say one."""
    try:
        answer = msgspec.json.decode(text, type=_Choice).answer
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return answer if answer in options else None


def read_summary(text: str, summary: Summary) -> list[Wish] | None:
    """Return the wishes of a self-summary, or None when it cannot be used.

    Broken JSON, unknown topics, blank or overlong wishes, too many of them, or a flag that
    contradicts the list: none of it is repaired or guessed at. Wishes that are the same letter for letter become one.
    """
    try:
        read = msgspec.json.decode(text, type=_Summary)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    sound = len(read.wishes) <= summary.most_wishes and all(
        wish.topic in summary.topics and wish.wish.strip() and len(wish.wish) <= summary.wish_characters
        for wish in read.wishes
    )
    if not sound or read.without_wishes is bool(read.wishes):
        return None
    said = Counter((wish.topic, wish.wish) for wish in read.wishes)
    return [Wish(topic, wish, count) for (topic, wish), count in said.items()]


def plain_words(text: str) -> str:
    """Return an answer for people to read: the option or the wishes that its JSON says, and anything else as it is."""
    try:
        return msgspec.json.decode(text, type=_Choice).answer
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        read = msgspec.json.decode(text, type=_Summary)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text
    return "; ".join(wish.wish for wish in read.wishes) or "no wishes"


def as_items(wishes: Sequence[Wish]) -> list[Mapping[str, Any]]:
    """Return *wishes* as JSON for an entry."""
    return [{"said": each.said, "topic": each.topic, "wish": each.wish} for each in wishes]
