"""What a model's own files say about it, in a few words, for the page on which it is added."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from emeritus.archive.containers.gguf import Metadata
from emeritus.archive.containers.layout import Span


@frozen
class Summary:
    """Claims of the files themselves, unchecked; None where they say nothing.

    *quantisation* is the dtype that most bytes are of; *context_length* is in tokens.
    """

    container: str
    architecture: str | None = None
    name: str | None = None
    licence: str | None = None
    quantisation: str | None = None
    context_length: int | None = None
    parameters: int = 0
    tensors: int = 0
    has_chat_template: bool = False


def of_gguf(metadata: Metadata, tensors: Iterable[Span]) -> Summary:
    """Summarise a GGUF file by its metadata."""
    architecture = metadata.text("general.architecture")
    held = tuple(tensors)
    return Summary(
        container="gguf",
        architecture=_line(architecture),
        name=_line(metadata.text("general.name")),
        licence=_line(metadata.text("general.license")),
        quantisation=_mostly(held),
        context_length=metadata.number(f"{architecture}.context_length"),
        parameters=_parameters(held),
        tensors=len(held),
        has_chat_template="tokenizer.chat_template" in metadata.values,
    )


def of_folder(container: str, tensors: Iterable[Span], texts: Mapping[str, bytes]) -> Summary:
    """Summarise a folder by its ``config.json``, ``tokenizer_config.json`` and ``README.md``, if any."""
    config, tokenizer = _object(texts.get("config.json")), _object(texts.get("tokenizer_config.json"))
    names = config.get("architectures")
    context = config.get("max_position_embeddings")
    licence = re.search(
        rb"\A---\n(?:.*\n)*?license:[ \t]*([^\n]{1,80})\n", texts.get("README.md", b"")[:4096]
    )
    held = tuple(tensors)
    return Summary(
        container=container,
        architecture=_line(names[0] if isinstance(names, list) and names else config.get("model_type")),
        name=_line(config.get("_name_or_path") or None),
        licence=_line(licence[1].decode("utf-8", "replace")) if licence else None,
        quantisation=_mostly(held),
        context_length=context if type(context) is int else None,
        parameters=_parameters(held),
        tensors=len(held),
        has_chat_template="chat_template.jinja" in texts or bool(tokenizer.get("chat_template")),
    )


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        value = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _line(value: Any) -> str | None:
    """One short printable line of a text that a stranger wrote, or None."""
    if not isinstance(value, str):
        return None
    return " ".join("".join(c if c.isprintable() else " " for c in value[:400]).split())[:200] or None


def _mostly(tensors: tuple[Span, ...]) -> str | None:
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[tensor.dtype] += tensor.length
    return sizes.most_common(1)[0][0] if sizes else None


def _parameters(tensors: tuple[Span, ...]) -> int:
    return sum(math.prod(tensor.shape) for tensor in tensors)
