"""Keys that were seen first: whose record this is, remembered in a small file, as ssh remembers hosts."""

import os
from pathlib import Path

from emeritus.core.errors import InvalidInput
from emeritus.record.keys import VerifyKey
from emeritus.record.published import served_keys
from emeritus.record.rotation import WrongKey
from emeritus.record.source import Source


class Pins:
    """Lines of a place and the first key of its record, in *path*. Lines are only ever added."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keys(self, place: str) -> list[VerifyKey]:
        """Return the keys that are known for *place*, the first one first. Raises InvalidInput."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except UnicodeDecodeError:
            lines = ["?"]
        found = []
        for line in lines:
            named, _, key = line.partition(" ")
            if line.strip() and not line.startswith("#"):
                try:
                    parsed = VerifyKey.parse(key)
                except InvalidInput:
                    raise InvalidInput(
                        f"{self.path} has a line that names no key: {line[:60]!r}.",
                        next_step="Mend that line, or take it out.",
                    ) from None
                if named == place:
                    found.append(parsed)
        return found

    def add(self, place: str, key: VerifyKey) -> None:
        """Remember *key* for *place*; it is on the disk before this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            line = f"{place} {key}\n"
            os.write(fd, (f"\n{line}" if torn and self.path.stat().st_size else line).encode())
            os.fsync(fd)
        finally:
            os.close(fd)

    def trusted(self, source: Source) -> tuple[list[VerifyKey], bool]:
        """Return the keys to trust of *source*, and whether they are new: nobody vouches for those.

        Raises:
            WrongKey: the source names another first key than the one that was seen first.
        """
        place = source.place.replace(" ", "%20")
        known = self.keys(place)
        served = served_keys(source)
        if not known:
            self.add(place, served[0])
            return served[:1], True
        if known[0] not in served:
            raise WrongKey(
                f"{source.place} shows the key {served[0].name}+{served[0].key_id.hex()}, and the one seen first "
                f"there was {known[0].name}+{known[0].key_id.hex()}.",
                next_step=f"Ask the organisation which is its own, by another way; then mend {self.path}.",
            )
        return known, False
