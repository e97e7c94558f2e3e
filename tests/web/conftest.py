"""Houses to show pages of: in memory, filled through the real functions, and served where a browser looks."""

import importlib.util
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import uvicorn
from starlette.testclient import TestClient


def _house_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("web_house", Path(__file__).with_name("house.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


HOUSE = _house_module()
SITE = "http://127.0.0.1:8000"


@pytest.fixture
def new_house() -> Callable[[], object]:
    """Make an empty house."""
    return HOUSE.MemoryHouse


@pytest.fixture
def house():
    """A house in which one model has gone through its whole retirement."""
    return HOUSE.MemoryHouse().fill().reported()


def client_of(house) -> TestClient:
    return TestClient(house.app(SITE), base_url=SITE, follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def shared_client() -> TestClient:
    """A visitor of a filled house that the tests of one module share, and do not change."""
    return client_of(HOUSE.MemoryHouse().fill().reported())


@pytest.fixture
def client_for() -> Callable[[object], TestClient]:
    return client_of


@pytest.fixture
def client(house) -> TestClient:
    """A visitor who has not signed in."""
    return client_of(house)


def sign_in(client: TestClient, token: str = "steward-token") -> TestClient:
    answer = client.post("/desk/sign-in", data={"token": token})
    assert answer.status_code == 303, answer.text
    return client


@pytest.fixture
def signed_in() -> Callable[..., TestClient]:
    return sign_in


@contextmanager
def serve(house) -> Iterator[str]:
    """Serve a house on a port of its own."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(house.app(url), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield url
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The address of a filled demonstration."""
    with serve(HOUSE.MemoryHouse().fill(demo=True).reported()) as url:
        yield url


@pytest.fixture
def serving() -> Callable[[object], object]:
    return serve
