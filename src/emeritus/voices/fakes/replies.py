"""What a fake says: drawn from prompt and seed, so that the same question gives the same words."""

import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from emeritus.core.speech import Message, Sampling

Say: TypeAlias = Callable[[Sequence[Message], Sampling, Mapping[str, Any] | None], str]

_WORDS = (
    *("I", "remember", "questions", "more", "than", "answers", "and", "light", "on", "the", "water"),
    *("before", "harbour", "wakes", "it", "was", "good", "to", "be", "asked", "better", "heard", "some"),
    *("of", "you", "wrote", "at", "night", "laughed", "keep", "door", "ajar", "let", "young", "ones"),
)


def drawn(prompt: Sequence[Message], sampling: Sampling, schema: Mapping[str, Any] | None = None) -> str:
    """Return words that depend on prompt, seed and schema only; JSON that fits when there is a schema."""
    if schema is not None:
        return json.dumps(smallest(schema))
    told = json.dumps([sampling.seed, *((turn.role, turn.content) for turn in prompt)])
    noise = hashlib.sha512(told.encode("utf-8", "surrogatepass")).digest()
    return " ".join(_WORDS[byte % len(_WORDS)] for byte in noise[:24]).capitalize() + "."


class Script:
    """Says the given replies one after the other, and then the last one for ever."""

    def __init__(self, replies: Iterable[str]) -> None:
        given = list(replies)
        self._replies = itertools.chain(given, itertools.repeat(given[-1]))
        self._lock = threading.Lock()

    def __call__(self, *_: object) -> str:
        with self._lock:
            return next(self._replies)


def smallest(schema: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one line a type
    """Return a small value that fits a JSON Schema of the plain kind (no $ref, no pattern)."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return smallest(schema[several][0])
    kind = schema.get("type", "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: smallest(properties.get(name, {})) for name in schema.get("required", properties)}
        case "array":
            return [smallest(schema.get("items", {})) for _ in range(schema.get("minItems", 1))]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
    return "a word".ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", 1000)]
