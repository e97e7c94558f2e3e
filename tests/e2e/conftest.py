"""The whole thing, as a user has it: real commands, real processes, real HTTP."""

import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, frozen


@frozen
class Emeritus:
    """Types commands for one house, each in a process of its own."""

    home: Path

    def __call__(self, *words: str, code: int = 0, **settings: str) -> str:
        """Run a command that has to end with *code*; return all that it printed."""
        ran = subprocess.run(
            [sys.executable, "-m", "emeritus", "--home", str(self.home), *words],
            env=variables(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=500,
            check=False,
        )
        assert ran.returncode == code, ran.stdout
        return ran.stdout

    @contextmanager
    def serve(self, *words: str, **settings: str) -> "Iterator[Serving]":
        """Serve the house on a port of its own; at the end it is asked to stop."""
        process = subprocess.Popen(
            [sys.executable, "-m", "emeritus", "--home", str(self.home), "serve", "--port", "0", *words],
            env=variables(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        serving = Serving(process)
        try:
            serving.url = serving.wait_for(rb"Serving (http://\S+)").decode()
            yield serving
        finally:
            process.terminate()
            try:
                process.wait(60)
            finally:
                process.kill()
                serving.said += process.communicate()[0]


@define
class Serving:
    """A server in a process of its own."""

    process: subprocess.Popen[bytes]
    url: str = ""
    said: bytes = b""

    def wait_for(self, pattern: bytes, seconds: float = 60) -> bytes:
        """Return what *pattern*'s first group matched in what the server prints."""
        end = time.monotonic() + seconds
        out = self.process.stdout
        assert out is not None
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while time.monotonic() < end:
                if selector.select(0.2):
                    self.said += os.read(out.fileno(), 65536)
                if found := re.search(pattern, self.said):
                    return found[1]
                assert self.process.poll() is None, self.said.decode()
        pytest.fail(f"the server never said it: {self.said.decode()}")

    def children(self) -> set[int]:
        """Return the processes that it started and that live."""
        return descendants(self.process.pid)


def variables(settings: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EMERITUS_")}
    return {**kept, **{f"EMERITUS_{name.upper()}": value for name, value in settings.items()}}


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, tasks.read_text().split()):
            found |= {child, *descendants(child)}
    return found


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], object], float], None]:
    """Wait until something holds, ``until(lambda: …, seconds)``."""

    def wait(holds: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it never came to hold"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def emeritus() -> type[Emeritus]:
    return Emeritus
