"""Who stands before the engine: Emeritus as it is installed, LiteLLM's proxy in its own environment, nobody."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

from attrs import frozen
from benchmarks.gateway.load import Target

from emeritus.access import members
from emeritus.core.people import person
from emeritus.process.register import register
from emeritus.registry import Lineage, NewModel, Organisation, add_person
from emeritus.registry.model import Remote
from emeritus.settings import load_settings
from emeritus.wiring import found_house, open_house

HERE = Path(__file__).parent
ADA = person("Ada Lovelace")
MODEL = "lantern-1"
TICKS = os.sysconf("SC_CLK_TCK")


@frozen
class Contender:
    """A running gateway (or the engine itself), and the process whose work is counted."""

    target: Target
    pid: int

    def cpu(self) -> float:
        """Seconds of a processor that the process and its children have used."""
        return sum(_cpu(pid) for pid in (self.pid, *_children(self.pid)))

    def resident(self) -> int:
        """Bytes of memory that it holds."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _cpu(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    return 0.0


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_children(child)]
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(
    command: list, port: int, log: Path, env: Mapping[str, str], seconds: float = 90
) -> Iterator[int]:
    """Run a server until the context ends; entered once it listens."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={**os.environ, **env}
        )
    try:
        until = time.monotonic() + seconds
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{command[:3]} does not listen; it said:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


@contextmanager
def engine(folder: Path) -> Iterator[Contender]:
    port = free_port()
    command = [sys.executable, HERE / "engine.py", str(port)]
    with running(command, port, folder / "engine.log", {}) as pid:
        yield Contender(Target("direct", port, MODEL, "none"), pid)


@contextmanager
def emeritus(folder: Path, url: str, database: str = "", key_env: str = "") -> Iterator[Contender]:
    """A house with one member and one model behind a remote API, served by its own command."""
    settings = load_settings(folder / "house", **({"database_url": database} if database else {}))
    found_house(settings, Organisation("Bench", 60, demo=True))
    with open_house(settings) as house, house.works.write() as work:
        add_person(work.log, ADA, ["steward"], ADA)
        new = NewModel(
            MODEL, "Lantern 1", Lineage("lantern"), "MIT", date(2024, 3, 1), remote=Remote("openai", MODEL)
        )
        register(work, new, path=None, url=url, key_env=key_env, by=ADA)
        who = members.join(work.log, work.private, house.clock, name="Mo", plan="pro", by=ADA)
        key = members.issue_key(work.log, work.keys, house.clock, who.id).text
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "emeritus",
        "--home",
        settings.home,
        "serve",
        "--no-work",
        "--port",
        str(port),
    ]
    env = {"EMERITUS_DATABASE_URL": database} if database else {}
    with running(command, port, folder / "emeritus.log", env) as pid:
        yield Contender(Target("emeritus", port, MODEL, key), pid)


@contextmanager
def litellm(folder: Path, url: str, python: Path) -> Iterator[Contender]:
    """LiteLLM's proxy with one worker. Its key is checked; without PostgreSQL it counts nothing and keeps nothing."""
    key = "sk-" + secrets.token_hex(16)
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n"
        f"  - model_name: {MODEL}\n"
        f"    litellm_params: {{model: openai/{MODEL}, api_base: {url}/v1, api_key: none}}\n"
        "general_settings:\n"
        f"  master_key: {key}\n"
        "litellm_settings: {telemetry: false, num_retries: 0, request_timeout: 600}\n"
    )
    port = free_port()
    command = [
        python.parent / "litellm",
        "--config",
        config,
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--num_workers",
        "1",
    ]
    env = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "PYTHONPATH": "",
    }
    with running(command, port, folder / "litellm.log", env, 180) as pid:
        yield Contender(Target("litellm", port, MODEL, key), pid)
