"""What runs in the child process: a warden, and under it an engine.

Started as ``python -I warden.py [ahead]`` with one line of JSON on standard input, so that no key shows in
the process list: ``{"command": […], "env": {…}, …}`` for a program, or the settings of llama.cpp, which then
runs in this very process (xllamacpp). With ``ahead`` the libraries of llama.cpp are loaded while that line is
still to come, which may take as long as weights are being restored. It imports nothing of Emeritus. The engine
reports one line of JSON on standard output when it is ready; everything that it logs goes to standard error.

The warden holds the life line: standard input reaches its end when the parent dies, even by ``kill -9``.
Then the warden kills the engine, and what the engine started itself. Dies the warden, the kernel kills the
engine (PR_SET_PDEATHSIG). The engine cannot keep watch itself: it holds Python's lock while it loads.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
MISSING = 86  # exit status: the engine's program is not installed


def main() -> None:
    orders, give = os.pipe()
    warden = os.getpid()
    engine = os.fork()
    if engine == 0:
        os.close(give)
        os.setpgid(0, 0)
        _die_with(warden)
        _engine(orders, ahead="ahead" in sys.argv[1:])
    os.close(orders)
    signal.signal(signal.SIGTERM, lambda *_: _kill(engine, signal.SIGTERM))
    line = sys.stdin.buffer.readline()
    if not line:  # the parent died, or wants no engine after all
        _kill(engine, signal.SIGKILL)
        os._exit(0)
    with contextlib.suppress(BrokenPipeError):
        os.write(give, line)
    os.close(give)
    for stream in (1, 2):  # the pipes end when the engine ends
        os.close(stream)
    threading.Thread(target=_watch, args=(engine,), daemon=True).start()
    os.waitid(os.P_PID, engine, os.WEXITED | os.WNOWAIT)
    _kill(engine, signal.SIGKILL)  # what it started, while nobody else can have its number
    _, status = os.waitpid(engine, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _watch(engine: int) -> None:
    while os.read(0, 4096):
        pass
    _kill(engine, signal.SIGKILL)


def _kill(pid: int, number: int) -> None:
    """Send a signal to the engine and to all that belongs to it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)


def _engine(orders: int, *, ahead: bool) -> NoReturn:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if ahead:
        with contextlib.suppress(ImportError):
            import xllamacpp  # noqa: F401, PLC0415
    with os.fdopen(orders, "rb") as pipe:
        line = pipe.readline()
    if not line:
        os._exit(0)
    settings = json.loads(line)
    if "command" in settings:
        _become(settings)
    _speak(settings)


def _become(settings: dict[str, Any]) -> NoReturn:
    """Turn into a program; it is ready when it answers on its port."""
    build = {
        "pid": os.getpid(),
        "url": settings["url"],
        "name": settings["name"],
        "version": "",
        "system": "",
    }
    os.write(1, json.dumps(build).encode() + b"\n")
    os.dup2(2, 1)
    command = settings["command"]
    try:
        os.execvpe(command[0], command, {**os.environ, **settings["env"]})  # noqa: S606
    except OSError as why:
        os.write(2, f"{why}\n".encode())
        os._exit(MISSING)


def _speak(settings: dict[str, Any]) -> NoReturn:
    """Be llama.cpp's own server."""
    report = os.dup(1)
    os.dup2(2, 1)
    try:
        import xllamacpp  # noqa: PLC0415
    except ImportError as why:
        os.write(2, f"{why}\n".encode())
        os._exit(MISSING)
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, settings))
    except Exception as why:  # noqa: BLE001 - whatever it is, the parent reads it in our log
        os.write(2, f"{why}\n".encode())
        os._exit(1)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # it keeps nothing that could be lost
    build = xllamacpp.BUILD_INFO
    ready = {
        "pid": os.getpid(),
        "url": server.listening_address,
        "name": "llama.cpp",
        "version": f"xllamacpp {xllamacpp.__version__}",
        "system": f"{build['build_target']}, {build['compiler']}; {xllamacpp.get_system_info().strip(' |')}",
    }
    os.write(report, json.dumps(ready).encode() + b"\n")
    while True:
        signal.pause()


def _parameters(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    chosen = xllamacpp.CommonParams()
    chosen.model.path = settings["path"]
    chosen.model_alias = {settings["model"]}
    chosen.hostnames = ["127.0.0.1"]
    chosen.port = 0
    chosen.api_keys = [settings["key"]]
    chosen.n_parallel = settings["slots"]
    chosen.n_ctx = settings["context"] * settings["slots"]
    chosen.cpuparams.n_threads = settings["threads"]
    chosen.cpuparams_batch.n_threads = settings["threads"]
    chosen.n_gpu_layers = settings["gpu_layers"]
    chosen.fit_params = False  # what we set is what runs, on every machine
    chosen.cache_ram_mib = settings["cache_mib"]
    chosen.endpoint_slots = True
    chosen.endpoint_metrics = False
    chosen.cors_origins = ""
    chosen.ui = False
    chosen.offline = True
    chosen.verbosity = 2
    if settings["chat_template"] is not None:
        chosen.chat_template = settings["chat_template"]
    return chosen


if __name__ == "__main__":
    main()
