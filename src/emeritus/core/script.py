"""Reading a YAML file that people write: small, strict, and every complaint names the line.

Only maps, lists and plain values; no anchors, no tags, no key twice, no key that nobody knows.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NoReturn

import yaml
from attrs import field, frozen

from emeritus.core.errors import InvalidInput, NotFound

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 20
_ID = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@frozen
class Part:
    """A place in the file: a map, a list or a value. *path* names it, as in ``sections[2].title``."""

    file: str
    path: str
    node: yaml.Node = field(repr=False)

    @property
    def line(self) -> int:
        """The line it begins in, from 1."""
        return _line(self.node.start_mark)

    @property
    def where(self) -> str:
        """File, line and path, for an error."""
        return f"{self.file}, line {self.line}" + (f" ({self.path})" if self.path else "")

    def fail(self, why: str, next_step: str = "Correct the file; nothing was written.") -> NoReturn:
        """Raise InvalidInput naming this place."""
        raise InvalidInput(f"{self.where}: {why}", next_step=next_step)

    def map(self, required: Collection[str] = (), optional: Collection[str] = ()) -> Mapping[str, "Part"]:
        """Return the parts of a map that has all *required* keys, and of others only the *optional* ones."""
        if not isinstance(self.node, yaml.MappingNode):
            self.fail("a map belongs here.")
        found: dict[str, Part] = {}
        for key, value in self.node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            part = Part(self.file, f"{self.path}.{name}".lstrip("."), value)
            if name not in required and name not in optional:
                known = ", ".join([*required, *optional])
                Part(self.file, part.path, key).fail(
                    f"{name[:40]!r} is not a known key.", f"Keys here are: {known}."
                )
            if name in found:
                Part(self.file, part.path, key).fail(f"{name!r} stands here twice.")
            found[name] = part
        missing = [name for name in required if name not in found]
        if missing:
            self.fail(f"{', '.join(missing)} is missing.")
        return found

    def list(self, *, least: int = 0) -> list["Part"]:
        """Return the parts of a list with at least *least* items."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.fail("a list belongs here.")
        if len(self.node.value) < least:
            self.fail(f"at least {least} belongs here, and there is {len(self.node.value) or 'none'}.")
        return [Part(self.file, f"{self.path}[{i}]", item) for i, item in enumerate(self.node.value, 1)]

    def text(self, *, most: int = 8000) -> str:
        """Return a text that is not blank, without surrounding space, of at most *most* characters."""
        if not isinstance(self.node, yaml.ScalarNode) or self._kind() != "str":
            self.fail(
                "a text belongs here.", "Put it into quotation marks when it looks like something else."
            )
        text = str(self.node.value).strip()
        if not text:
            self.fail("it is empty.", "Write something, or take the key out.")
        if len(text) > most:
            self.fail(f"it has {len(text)} characters; {most} is the most.")
        if _CONTROL.search(text):
            self.fail("it holds control characters.")
        return text

    def id(self) -> str:
        """Return an id: lower-case letters, digits, ``_`` and ``-``."""
        text = self.text(most=64)
        if not _ID.fullmatch(text):
            self.fail(f"{text!r} cannot be an id.", "Use lower-case letters, digits, '_' and '-'.")
        return text

    def choice(self, *options: str) -> str:
        """Return one of *options*."""
        text = self.text()
        if text not in options:
            self.fail(f"{text[:40]!r} is none of: {', '.join(options)}.")
        return text

    def flag(self) -> bool:
        """Return true or false."""
        if self._kind() != "bool" or str(self.node.value) not in ("true", "false"):
            self.fail("true or false belongs here.")
        return bool(self.node.value == "true")

    def integer(self, least: int, most: int) -> int:
        """Return a whole number from *least* to *most*."""
        value = str(self.node.value)
        if self._kind() != "int" or not re.fullmatch(r"-?\d{1,10}", value) or not least <= int(value) <= most:
            self.fail(f"a whole number from {least} to {most} belongs here.")
        return int(value)

    def number(self, least: float, most: float) -> float:
        """Return a number from *least* to *most*."""
        value = str(self.node.value)
        known = self._kind() in ("int", "float") and re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value)
        if not known or not least <= float(value) <= most:
            self.fail(f"a number from {least:g} to {most:g} belongs here.")
        return float(value)

    def _kind(self) -> str:
        return self.node.tag.rpartition(":")[2] if isinstance(self.node, yaml.ScalarNode) else ""


def read(data: bytes, file: str) -> Part:
    """Read the bytes of a YAML file called *file*.

    Raises:
        InvalidInput: it is too long, no UTF-8, no YAML, or uses anchors, aliases or tags.
    """
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{file} has {len(data)} bytes; {MAX_BYTES} is the most.", next_step="Shorten it.")
    try:
        text = data.decode()
        _plain(text, file)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as why:
        line = data[: why.start].count(b"\n") + 1
        raise InvalidInput(f"{file}, line {line}: it is not UTF-8.", next_step="Save it as UTF-8.") from None
    except yaml.reader.ReaderError as why:
        line = text[: why.position].count("\n") + 1
        raise InvalidInput(
            f"{file}, line {line}: it has the character U+{ord(text[why.position]):04X}, which YAML does not allow.",
            next_step="Take it out.",
        ) from None
    except yaml.YAMLError as why:
        raise InvalidInput(f"{file}{_place(why)}: it is not YAML.", next_step="Correct that place.") from None
    if node is None:
        raise InvalidInput(
            f"{file} is empty.", next_step="Start from one of the files that come with Emeritus."
        )
    return Part(file, "", node)


def _place(why: yaml.YAMLError) -> str:
    mark = getattr(why, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""


def _plain(text: str, file: str) -> None:
    depth = 0
    for event in _events(text):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        marked = getattr(event, "anchor", None) or getattr(event, "tag", None)
        why = "anchors, aliases and tags are not read" if marked else ""
        if depth > _MAX_DEPTH:
            why = "it is nested too deeply"
        if why:
            raise InvalidInput(
                f"{file}, line {_line(event.start_mark)}: {why}.", next_step="Write it out plainly."
            )


def _line(mark: Any) -> int:
    return int(mark.line) + 1


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=yaml.SafeLoader)


def shipped(folder: Traversable) -> list[str]:
    """Return the names of the scripts that come with Emeritus in *folder*."""
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def find(name_or_path: str | Path, folder: Traversable, *, what: str) -> tuple[bytes, str]:
    """Return the bytes and the file name of a script: one of *folder* by its name, or a file of one's own.

    Raises:
        NotFound: there is no such *what*.
    """
    if isinstance(name_or_path, str) and name_or_path in shipped(folder):
        return (folder / f"{name_or_path}.yaml").read_bytes(), f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if not path.is_file():
        raise NotFound(
            f"There is no {what} {str(name_or_path)[:200]!r}.",
            next_step=f"Name a file, or one of: {', '.join(shipped(folder))}.",
        )
    return path.read_bytes(), path.name
