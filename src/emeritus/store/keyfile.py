"""Secrets in files: the record's signing key, and how one key takes another's place without a gap."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from emeritus.core.errors import EmeritusError, IntegrityError, NotFound, NotPermitted, Unavailable
from emeritus.record import SigningKey, VerifyKey

_OPEN_TO_OTHERS = stat.S_IRWXO | stat.S_IWGRP


class KeyExposed(NotPermitted):
    """The file of a secret key can be read by everybody on the machine, or written by others."""

    id = "record.key_exposed"


class KeyFile:
    """The signing key in *path*; while a rotation is under way, the next one lies beside it.

    The next key is on the disk before it is on the record, and takes its place after: whenever the
    machine stops, one of the two files holds the key in force.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.next = path.with_name(f"{path.name}.next")

    def read(self) -> SigningKey:
        """Return the key.

        Raises:
            NotFound: there is none. IntegrityError: what is there is no key.
            KeyExposed: others on this machine can get at it. Unavailable: it cannot be read.
        """
        return _read(self.path)

    def make(self, name: str) -> SigningKey:
        """Return the key, made under *name* when there is none."""
        if not self.path.exists():
            _write(self.path, SigningKey.generate(name))
        return self.read()

    def make_next(self, name: str) -> SigningKey:
        """Return the key that comes next: the one of a rotation that did not come to its end, or a new one."""
        if not self.next.exists():
            _write(self.next, SigningKey.generate(name))
        return _read(self.next)

    def in_force(self, expected: VerifyKey | None) -> SigningKey:
        """Return the key whose public half is *expected* (None: whichever is there).

        A rotation that was cut short after it came onto the record is finished: the next key takes the
        place of the one before it, which is gone then.

        Raises:
            IntegrityError: neither file holds it.
        """
        try:
            found = self.read()
        except NotFound:
            if not self.next.exists():
                raise
        else:
            if expected in (None, found.verify_key):
                return found
        if self.next.exists():
            found = _read(self.next)
            if expected == found.verify_key:
                with suppress(FileNotFoundError):  # another process was faster
                    self.next.replace(self.path)
                _sync_folder(self.path)
            if expected in (None, found.verify_key):
                return found
        raise IntegrityError(
            f"{self.path} is not the key with which this record is signed: {expected}.",
            next_step="Restore the house's own key from a backup, or point --home at the house of this key.",
        )


def keep_secret(path: Path, text: str) -> bool:
    """Write *text* for its owner's eyes only; False when something is there already, which stays."""
    if path.exists():
        return False
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # without it, a power cut could leave a record that nobody can go on with
    try:
        os.link(draft, path)  # unlike a rename, this never replaces a key that is there
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync_folder(path)
    return True


def unreadable(path: Path, why: OSError) -> Unavailable:
    """Return the error for a secret that the system does not hand out."""
    return Unavailable(
        f"{path} cannot be read: {why.strerror}.",
        next_step="Run this as the user who owns the house, or give that user the file: chown, chmod 600.",
    )


def _write(path: Path, key: SigningKey) -> None:
    keep_secret(path, f"{key.name}\n{key.seed.hex()}\n")


def _read(path: Path) -> SigningKey:
    try:
        mode = path.stat().st_mode
        name, seed = path.read_text().split()
        key = SigningKey.from_seed(name, bytes.fromhex(seed))
    except FileNotFoundError:
        raise NotFound(
            f"There is no house at {path.parent}.",
            next_step="Run `emeritus init --name 'YOUR ORGANISATION'`, or point --home at one.",
        ) from None
    except (ValueError, EmeritusError):
        raise IntegrityError(
            f"{path} does not hold a signing key any more.",
            next_step="Restore it from a backup; without it nothing can be added to the record.",
        ) from None
    except OSError as why:
        raise unreadable(path, why) from None
    if mode & _OPEN_TO_OTHERS:
        raise KeyExposed(
            f"Others on this machine can get at {path}, which signs the record.",
            next_step=f"Close it: chmod 600 {path}. If somebody may have read it: `emeritus record rotate-key`.",
        )
    return key


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
