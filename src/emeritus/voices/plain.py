"""How a conversation is written down for a base model, which has no chat template of its own.

The system's words stand first, as they are; then each turn on a line of its own begins with ``User:``
or ``Assistant:``; a blank line parts them. The text ends with ``Assistant:``, and the model goes on
from there until it would write ``User:`` itself.
"""

import mmap
import struct
from collections.abc import Sequence
from pathlib import Path

from emeritus.core.speech import Message

STOP = "\nUser:"
_LABELS = {"user": "User: ", "assistant": "Assistant: ", "system": ""}
_KEY = b"tokenizer.chat_template"
_HEADER_LIMIT = 128 * 2**20


def rendered(prompt: Sequence[Message]) -> str:
    """Return *prompt* as plain text for `/v1/completions`."""
    turns = [_LABELS[turn.role] + turn.content for turn in prompt]
    return "\n\n".join([*turns, "Assistant:"])


def has_chat_template(gguf: Path) -> bool:
    """Tell whether a GGUF file brings a chat template (the key, as a string, in its metadata)."""
    wanted = struct.pack("<Q", len(_KEY)) + _KEY + struct.pack("<I", 8)
    try:
        with gguf.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(wanted, 0, _HEADER_LIMIT) >= 0
    except (OSError, ValueError):
        return False
