"""An engine in a process of its own, seen from the parent."""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import frozen

from emeritus.core.speech import EngineBuild
from emeritus.voices.errors import CALL_AGAIN, EngineDied, EngineMissing, EngineNotStarted, VoiceError
from emeritus.voices.warden import MISSING
from emeritus.voices.wire import exchange

LOG_LINES: Final = 200
LOG_LINE: Final = 500
GRACE: Final = 5.0


class _Ready(msgspec.Struct, forbid_unknown_fields=True):
    pid: int
    url: str
    name: str
    version: str
    system: str


class Warden:
    """A child process that waits for its orders; *ahead*: it loads llama.cpp's libraries meanwhile."""

    def __init__(self, *, ahead: bool = False) -> None:
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        program = [sys.executable, "-I", str(Path(__file__).with_name("warden.py"))]
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
            [*program, "ahead"] if ahead else program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # OpenMP's threads spin for milliseconds while they wait; on a busy machine that costs tenfold
            env={"GOMP_SPINCOUNT": "1000", **os.environ},
            start_new_session=True,  # Ctrl-C is for the parent, which drains first
        )
        threading.Thread(target=self._keep_log, daemon=True).start()

    def _keep_log(self) -> None:
        pipe = self.process.stderr
        assert pipe is not None
        with pipe, contextlib.suppress(ValueError):
            while line := pipe.readline(LOG_LINE):
                self.log.append(line.decode(errors="replace").rstrip())


@frozen
class Program:
    """What an engine is, for a person who has to install it."""

    name: str = "The llama.cpp engine"
    install: str = "Install it with `pip install 'emeritus[llama]'`, or name a llama-server program."


class EngineProcess:
    """One running engine: listens on 127.0.0.1, on a port of its own, behind the random *key*.

    *orders* are what `warden.py` takes. *warden* is one that has been waiting for them.

    Raises:
        EngineMissing: when its program is not installed.
        EngineNotStarted: when it refuses the weights or is not ready within *start_timeout* seconds.
        EngineDied: when it was killed meanwhile.
    """

    def __init__(
        self,
        orders: Mapping[str, Any],
        *,
        key: str,
        who: str,
        start_timeout: float,
        program: Program | None = None,
        warden: Warden | None = None,
    ) -> None:
        self._who = who
        self._program = program or Program()
        self.key = key
        deadline = time.monotonic() + start_timeout
        if warden is None or warden.process.poll() is not None:
            warden = Warden()
        self._log, self._process = warden.log, warden.process
        self._expired = False
        expiry = threading.Timer(start_timeout, self._expire)
        expiry.daemon = True
        expiry.start()
        try:
            ready = self._hand_over(orders)
            self.url, self.pid = ready.url, ready.pid
            self.build = EngineBuild(ready.name, ready.version, ready.system)
            self._await_health(deadline)
        except BaseException:
            self.kill()
            self._forget()
            raise
        finally:
            expiry.cancel()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def memory(self) -> int:
        """Bytes resident; 0 when that cannot be told."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) * 1024 if found else 0

    def log(self) -> tuple[str, ...]:
        """Return the last lines it logged."""
        return tuple(self._log)

    def how_it_ended(self) -> str:
        """Say in a few words why it is not running; empty while it is."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        if code is None:
            return ""
        number = -code if code < 0 else code - 128
        if number > 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(number).name}"
        return f"exit status {code}"

    def kill(self) -> None:
        """End it at once, with all that it started; returns when it is gone."""
        if (pid := getattr(self, "pid", 0)) and self.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self._process.kill()  # the kernel takes the engine with its warden
        self._process.wait()

    def close(self) -> None:
        """End it: ask first, then insist; returns when it is gone."""
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget()

    def _forget(self) -> None:
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _expire(self) -> None:
        self._expired = True
        self.kill()

    def _hand_over(self, orders: Mapping[str, Any]) -> _Ready:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(dict(orders)).encode() + b"\n")
            stdin.flush()
            return msgspec.json.decode(stdout.readline(65536), type=_Ready)
        except (OSError, msgspec.MsgspecError):
            raise self._not_started() from None

    def _await_health(self, deadline: float) -> None:
        while self.alive and time.monotonic() < deadline:
            with contextlib.suppress(VoiceError):
                status, _ = exchange(
                    self.url + "/health",
                    None,
                    {},
                    who=self._who,
                    seconds=5,
                    lost=self._not_started,
                    limit=65536,
                )
                if status == 200:
                    return
            time.sleep(0.05)
        raise self._not_started()

    def _not_started(self) -> VoiceError:
        ended = self.how_it_ended()
        log = list(self._log)
        said = next((line for line in log if " E " in line or "Error: " in line), log[-1] if log else "")
        said = re.sub(r"^[\d.]+ E ", "", said).strip().rstrip(".")
        if ended == f"exit status {MISSING}":
            return EngineMissing(
                f"{self._program.name} is not installed ({said}).", next_step=self._program.install
            )
        if ended.startswith("killed") and not self._expired:
            return EngineDied(f"{self._who} was {ended} while it was loading.", next_step=CALL_AGAIN)
        why = said or ended or "it was not ready in time"
        return EngineNotStarted(
            f"{self._who} did not start: {why[:300]}.",
            next_step="Check the weights with `emeritus archive verify`, the memory that is free, and allow more time.",
        )


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


def new_key() -> str:
    """Return a key that only this process and its engine know."""
    return secrets.token_urlsafe(32)
