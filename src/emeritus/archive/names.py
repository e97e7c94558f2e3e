"""Names of files inside a model: relative, with ``/`` between folders, safe on every system."""

import re
import unicodedata
from collections.abc import Iterable

from emeritus.archive.errors import UnsafeName

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|\ud800-\udfff]')


def file_name(text: str) -> str:
    """Return *text* when it names a file that stays inside whatever folder it is put in.

    Raises:
        UnsafeName: otherwise.
    """
    parts = text.split("/")
    sound = (
        0 < len(text) <= 1024
        and not _FORBIDDEN.search(text)
        and all(part and not part.startswith(".") and len(part.encode()) <= 255 for part in parts)
        and not any(part.endswith((" ", ".")) for part in parts)
    )
    if not sound:
        raise UnsafeName(
            f"{text[:80]!r} cannot be the name of a file of a model.",
            next_step="Use plain relative names such as 'tokenizer.json': no '..', no leading '/' or '.', "
            'none of \\ : * ? " < > |.',
        )
    return text


def no_twins(names: Iterable[str]) -> None:
    """Refuse names that are one and the same file on some systems.

    Raises:
        UnsafeName: when two differ only in case or Unicode form, or one is a folder of another.
    """
    seen: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            raise UnsafeName(
                f"{seen[key]!r} and {name!r} are one name on some systems.", next_step="Rename one of them."
            )
        seen[key] = name
    for key, name in seen.items():
        parents = key.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            if "/".join(parents[:depth]) in seen:
                raise UnsafeName(
                    f"{name!r} lies below something that is itself a file.", next_step="Rename one of them."
                )
