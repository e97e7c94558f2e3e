"""Fill `{{name}}` into a text: names from a declared list, plain substitution, nothing else.

What is filled in is never read again, so a value cannot bring a placeholder of its own.
"""

import re
from collections.abc import Collection, Mapping

from emeritus.core.errors import InvalidInput

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_STRAY = re.compile(r"\{\{|\}\}")


def placeholders(text: str, allowed: Collection[str], where: str) -> frozenset[str]:
    """Return the names used in *text*.

    Args:
        text: what may hold placeholders.
        allowed: every name there is.
        where: the file and the place in it, for the error.

    Raises:
        InvalidInput: a name that is not allowed, or braces that are no placeholder.
    """
    names = _PLACEHOLDER.findall(text)
    for name in names:
        if name not in allowed:
            raise InvalidInput(
                f"{where}: there is no placeholder '{{{{{name[:40]}}}}}'.",
                next_step=f"Use one of: {', '.join(sorted(allowed))}.",
            )
    if _STRAY.search(_PLACEHOLDER.sub("", text)):
        raise InvalidInput(
            f"{where}: double braces stand there that are no placeholder.",
            next_step="Write a placeholder as '{{name}}', and nothing else in double braces.",
        )
    return frozenset(names)


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """Return *text* with each ``{{name}}`` replaced by its value. Raises InvalidInput as `placeholders`."""
    placeholders(text, values, where)
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)
