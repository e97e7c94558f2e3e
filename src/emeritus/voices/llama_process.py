"""How a process of llama.cpp is started: its settings, and the orders that its warden takes."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, field, frozen, validators

from emeritus.core.digests import sha256
from emeritus.core.speech import EngineBuild
from emeritus.voices.engine_process import EngineProcess, Warden, free_port, new_key
from emeritus.voices.errors import EngineNotStarted

_positive = [validators.instance_of(int), validators.ge(1)]


@frozen
class LlamaSettings:
    """How the engine runs.

    *context* is in tokens, for each of *slots* (answers drawn at the same time for callers of the
    gateway); *threads* 0 means one a processor; *cache_mib* bounds the prompt cache in memory (0: none);
    *chat_template* names a Jinja file to be used instead of the model's own template, for instance one that has a
    place for tools; *server* a ``llama-server`` program to run instead of xllamacpp; times are in seconds.
    """

    context: int = field(default=4096, validator=_positive)
    slots: int = field(default=2, validator=_positive)
    threads: int = field(default=0, validator=[validators.instance_of(int), validators.ge(0)])
    gpu_layers: int = 0
    cache_mib: int = 0
    start_timeout: float = 120.0
    answer_timeout: float = 600.0
    chat_template: Path | None = None
    server: Path | None = None


def estimated_memory(size: int) -> int:
    """Return the memory that an engine takes, by experience, for weights of *size* bytes."""
    return size + size // 8 + 96 * 2**20


def start(
    model: str,
    path: Path,
    settings: LlamaSettings,
    *,
    who: str,
    threads: int,
    spare: Callable[[], Warden | None],
) -> EngineProcess:
    """Start llama.cpp over the weights at *path*. Raises as `EngineProcess`."""
    chosen, key = asdict(settings), new_key()
    server = chosen.pop("server")
    template = settings.chat_template
    chosen["chat_template"] = None if template is None else _text(template, who)
    chosen |= {"threads": threads, "path": str(path.resolve()), "model": model, "key": key}
    orders = chosen if server is None else _server(str(server), chosen, free_port())
    process = EngineProcess(
        orders,
        key=key,
        who=who,
        start_timeout=settings.start_timeout,
        warden=spare() if server is None else None,
    )
    if server is not None:
        process.build = EngineBuild("llama-server", _version_of(str(server)))
    if template is not None:  # it changes the words, so whoever makes them again has to know
        named = f"chat template {sha256(chosen['chat_template'].encode())}"
        process.build = evolve(process.build, system="; ".join(filter(None, (process.build.system, named))))
    return process


def _server(program: str, chosen: Mapping[str, Any], port: int) -> dict[str, Any]:
    """Return the orders for a ``llama-server`` program."""
    command = [
        *(program, "--model", chosen["path"], "--alias", chosen["model"]),
        *("--host", "127.0.0.1", "--port", str(port), "--parallel", str(chosen["slots"])),
        *("--ctx-size", str(chosen["context"] * chosen["slots"]), "--threads", str(chosen["threads"])),
        *("--cache-ram", str(chosen["cache_mib"]), "--n-gpu-layers", str(chosen["gpu_layers"])),
        *("--slots", "--no-webui", "--offline", "--jinja"),
        *(("--chat-template", chosen["chat_template"]) if chosen["chat_template"] is not None else ()),
    ]
    env = {"LLAMA_API_KEY": chosen["key"]}
    return {"command": command, "env": env, "url": f"http://127.0.0.1:{port}", "name": "llama-server"}


def _text(template: Path, who: str) -> str:
    try:
        return template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as why:
        raise EngineNotStarted(
            f"{who} has no chat template: {template} cannot be read ({why}).",
            next_step="Correct the option chat_template of its voice.",
        ) from None


def _version_of(server: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the program the operator named
            [server, "--version"], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = (done.stdout + done.stderr).decode(errors="replace")
    return " ".join(said.split())[:200]
