"""Where a stranger reads what somebody publishes: a web site, a folder with a copy of one, memory.

Nothing that comes from there is believed. Each read says how many bytes it takes at most, and ends in time.
"""

import http.client
import os
import socket
import ssl
import stat
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from emeritus.core.errors import EmeritusError, IntegrityError, InvalidInput, NotFound, Unavailable

TIMEOUT = 20.0
"""Seconds without a byte."""
DEADLINE = 120.0
"""Seconds for one whole answer."""
_PIECE = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Source(Protocol):
    """Files by their path below the address of a site, such as ``record/checkpoint``."""

    @property
    def place(self) -> str:
        """Where this is, for people; the same place is always named alike."""
        ...

    @property
    def at_once(self) -> int:
        """How many reads make sense at the same time."""
        ...

    def read(self, path: str, most: int) -> bytes:
        """Return the file.

        Raises:
            NotFound: there is none.
            IntegrityError: it has more than *most* bytes.
            Unavailable: nobody answers, not in time, or not to the end.
            InvalidInput: *path* is no path below this place.
        """
        ...


def safe(path: str) -> str:
    """Return *path* when it cannot lead out of where it is read. Raises InvalidInput."""
    parts = path.split("/")
    odd = any(ord(letter) < 32 or letter in "\\\x7f" for letter in path)
    if odd or len(path) > 1000 or any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(
            f"{path[:80]!r} is no path on a site.", next_step="The record names something that cannot be."
        )
    return path


def read_all(source: Source, paths: Iterable[str], most: int) -> Iterator[tuple[str, bytes | EmeritusError]]:
    """Yield each path with what is there, or with why it cannot be had; in their order."""

    def one(path: str) -> tuple[str, bytes | EmeritusError]:
        try:
            return path, source.read(path, most)
        except EmeritusError as why:
            return path, why

    if source.at_once < 2:
        yield from map(one, paths)
        return
    todo = iter(paths)
    with ThreadPoolExecutor(source.at_once) as pool:
        while batch := list(islice(todo, 8 * source.at_once)):
            yield from pool.map(one, batch)


class MemorySource:
    """A `Source` in a dict."""

    at_once = 1

    def __init__(self, files: Mapping[str, bytes], place: str = "memory") -> None:
        self.files = dict(files)
        self.place = place

    def read(self, path: str, most: int) -> bytes:
        try:
            data = self.files[safe(path)]
        except KeyError:
            raise _missing(self.place, path) from None
        return _bounded(data, most, self.place, path)


class FolderSource:
    """A `Source` in a folder, such as `emeritus record export` writes."""

    at_once = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.place = str(self.folder)

    def read(self, path: str, most: int) -> bytes:
        file = self.folder / safe(path)
        try:
            if not file.resolve().is_relative_to(self.folder):
                raise InvalidInput(f"{path} leads out of {self.place}.", next_step="Ask for another copy.")
            fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as opened:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise _missing(self.place, path)
                return _bounded(opened.read(most + 1), most, self.place, path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise _missing(self.place, path) from None
        except (OSError, RuntimeError) as why:
            raise Unavailable(
                f"{path} in {self.place} cannot be read: {getattr(why, 'strerror', None) or why}.",
                next_step="Check the disk and the permissions, or take another copy.",
            ) from None


class HttpSource:
    """A `Source` on the web. Redirects are not followed: whoever checks should know whom they ask.

    Args:
        address: ``http://`` or ``https://``, a host, and maybe a path.
        timeout: seconds without a byte.
        deadline: seconds for one whole answer.
    """

    at_once = 6

    def __init__(self, address: str, timeout: float = TIMEOUT, deadline: float = DEADLINE) -> None:
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise InvalidInput(
                f"{address[:100]!r} is no web address.",
                next_step="Write it as https://HOST, or https://HOST/PATH.",
            )
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, port
        self._prefix = quote(parts.path.rstrip("/"), safe="/:%")
        self.place = f"{parts.scheme}://{parts.netloc.lower()}{self._prefix}"
        self._timeout, self._deadline = timeout, deadline
        self._kept = threading.local()

    def read(self, path: str, most: int) -> bytes:
        safe(path)
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        try:
            if kept is not None:
                try:
                    return self._ask(kept, path, most)
                except (http.client.RemoteDisconnected, ConnectionError):
                    kept.close()  # it was idle for too long: once more, anew
            self._kept.connection = self._connect()
            return self._ask(self._kept.connection, path, most)
        except (OSError, http.client.HTTPException, ValueError, zlib.error) as why:
            self._forget()
            raise self._unavailable(path, str(why) or type(why).__name__) from None

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def _forget(self) -> None:
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            kept.close()
        self._kept.connection = None

    def _ask(self, connection: http.client.HTTPConnection, path: str, most: int) -> bytes:
        if connection.sock is None:
            connection.connect()
        late = threading.Event()
        # A server that sends a byte now and then never runs into the socket's own time-out.
        clock = threading.Timer(self._deadline, _cut, (connection.sock, late))
        clock.daemon = True
        clock.start()
        try:
            headers = {"accept-encoding": "identity", "user-agent": "emeritus-verify"}
            connection.request("GET", f"{self._prefix}/{quote(path, safe='/:')}", headers=headers)
            answer = connection.getresponse()
            data = self._body(answer, path, most)
        except (OSError, http.client.HTTPException):
            if late.is_set():
                raise TimeoutError("it took too long") from None
            raise
        finally:
            clock.cancel()
        if late.is_set():
            raise TimeoutError("it took too long")
        if answer.will_close:
            self._forget()
        return data

    def _body(self, answer: http.client.HTTPResponse, path: str, most: int) -> bytes:
        if answer.status != 200:
            self._forget()
            if answer.status in (404, 410):
                raise _missing(self.place, path)
            if answer.status in _REDIRECTS:
                raise self._unavailable(path, f"it moved to {answer.headers.get('location', '')[:200]!r}")
            raise self._unavailable(path, f"it answers {answer.status}")
        inflate: zlib._Decompress | None = None
        if answer.headers.get("content-encoding", "identity") == "gzip":
            inflate = zlib.decompressobj(31)
        data = bytearray()
        while piece := answer.read1(_PIECE):
            data += inflate.decompress(piece, most + 1 - len(data)) if inflate else piece
            if len(data) > most:
                self._forget()
                raise _too_much(most, self.place, path)
        if answer.length or (inflate and not inflate.eof):
            raise http.client.IncompleteRead(b"", answer.length)
        answer.close()
        return bytes(data)

    def _unavailable(self, path: str, why: str) -> Unavailable:
        said = " ".join("".join(letter if letter.isprintable() else " " for letter in why).split())[:300]
        return Unavailable(
            f"{self.place}/{path[:120]} cannot be had: {said}.",
            next_step="Check the address, or try again later.",
        )


def _cut(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        connected.close()


def _bounded(data: bytes, most: int, place: str, path: str) -> bytes:
    if len(data) > most:
        raise _too_much(most, place, path)
    return data


def _too_much(most: int, place: str, path: str) -> IntegrityError:
    return IntegrityError(
        f"{place}/{path[:120]} has more than the {most} bytes that it can have.",
        next_step="Whoever serves this is broken, or means harm.",
    )


def _missing(place: str, path: str) -> NotFound:
    return NotFound(
        f"{place} has no {path[:160]}.", next_step="Check the address; it has to be the site of a house."
    )


OpenSource = Callable[[str], Source]


def open_source(where: str) -> Source:
    """Return the source at an address or in a folder. Raises InvalidInput, NotFound."""
    if "://" in where:
        return HttpSource(where)
    folder = Path(where)
    if not folder.is_dir():
        raise NotFound(f"There is no folder {where}.", next_step="Give a site's address or a folder.")
    return FolderSource(folder)
