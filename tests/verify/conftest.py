"""A whole house, exported once; and a server that says whatever a test wants it to say."""

import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emeritus.process.export import export
from emeritus.record.source import MemorySource


def _house():
    path = Path(__file__).parent.parent / "web" / "house.py"
    spec = importlib.util.spec_from_file_location("verify_house", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.MemoryHouse


HOUSE = _house()
MODEL = "smollm2-135m-instruct"
ESSAY = f"{MODEL}-essay-1"


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def copy_of(house, folder: Path) -> dict[str, bytes]:
    """Export *house* and return the files."""
    export(house.read, folder)
    return files_in(folder)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The files of a filled house's export, and its key. Not to be changed: copy it."""
    house = HOUSE().fill()
    return copy_of(house, tmp_path_factory.mktemp("export") / "site"), house.key.verify_key


@pytest.fixture
def site(whole) -> MemorySource:
    return MemorySource(whole[0])


@pytest.fixture
def key(whole):
    return whole[1]


@pytest.fixture
def new_house() -> Callable[[], object]:
    return HOUSE


class Liar:
    """Serves *files*; or, for a path in *says*, whatever a function writes to the socket."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = dict(files)
        self.says: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator["Liar"]:
        liar = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                if path in liar.says:
                    liar.says[path](self)
                    return
                data = liar.files.get(path)
                self.send_response(404 if data is None else 200)
                self.send_header("content-length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_) -> None:
                pass  # whoever asked has gone

        server = Server(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)


@pytest.fixture
def liar() -> Iterator[Callable[[dict[str, bytes]], Liar]]:
    """Start a server with files."""
    with_all = []

    def start(files):
        context = Liar(files).serving()
        with_all.append(context)
        return context.__enter__()

    yield start
    for context in with_all:
        context.__exit__(None, None, None)
