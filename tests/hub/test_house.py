"""A real house: its database, its archive on disk, its whole server; decided, downloaded, counted, repaired."""

import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
import uvicorn
from starlette.testclient import TestClient

from emeritus import archive
from emeritus.access import applications, members
from emeritus.cli import cli
from emeritus.cli.faults import run
from emeritus.core.people import SOFTWARE, person
from emeritus.record import Act
from emeritus.registry import Lineage, NewModel, Organisation, Weights, add_model, add_person
from emeritus.settings import Settings
from emeritus.web.serving import application
from emeritus.wiring import House, found_house, open_house

ADA = person("Ada Lovelace")
NAME = "model-00001-of-00002.safetensors"


@pytest.fixture
def real(tmp_path, folder) -> Iterator[House]:
    """A house with one preserved model."""
    settings = Settings(home=tmp_path / "house", hub_cache=64 << 20)
    found_house(settings, Organisation("Test Lab", 60, demo=False))
    with open_house(settings) as house:
        source = archive.inspect(folder)
        with house.works.write() as work:
            add_person(work.log, ADA, ["steward"], SOFTWARE)
            names = tuple(file.name for file in source.files)
            weights = Weights("safetensors", names, source.size, {})
            released = house.clock.now().date()
            new = NewModel("opus", "Opus", Lineage("opus"), "Apache-2.0", released, weights=weights)
            add_model(work.log, new, ADA)
        stored = archive.ingest(source, "opus", house.parts.blobs, sign=house.parts.sign)
        body = {
            "manifest": stored.digest,
            "files": [],
            "bytes": source.size,
            "stored_bytes": stored.bytes_out,
        }
        with house.works.write() as work:
            work.log.append(Act("weights.archived", body, SOFTWARE, "opus", "opus", "weights.archived:opus"))
        yield house


@contextmanager
def serving(house: House) -> Iterator[str]:
    """Serve the whole house on a port."""
    app = application(house, site_url="https://lab.example")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def decide(house: House, tier: str) -> None:
    from emeritus.access.downloads import decide_downloads

    with house.works.write() as work:
        decide_downloads(work.log, "opus", tier=tier, reason="Its makers wished it.", by=ADA)


def totals(house: House):
    with house.works.read() as work:
        return work.usage.totals(model="opus")


def test_from_decision_to_bytes(real, folder, tmp_path):
    """Decided, fetched with a member's key by the official client, counted; the second time from the shelf."""
    from huggingface_hub import HfApi

    decide(real, "members")
    with real.works.write() as work:
        who = members.join(work.log, work.private, real.clock, name="Mo", plan="pro", by=SOFTWARE)
        key = members.issue_key(work.log, work.keys, real.clock, who.id).text
    with serving(real) as url:
        for turn in ("one", "two"):
            got = Path(HfApi(endpoint=url, token=key).snapshot_download("opus", cache_dir=tmp_path / turn))
            for path in folder.rglob("*"):
                assert path.is_dir() or (got / path.relative_to(folder)).read_bytes() == path.read_bytes()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert totals(real).bytes_out == 2 * size
    assert (real.settings.shelf_folder / archive_sha(real, NAME)).is_file()


def archive_sha(house: House, name: str) -> str:
    from emeritus.process.preserve import manifest_of

    with house.works.read() as work:
        return manifest_of(work.log, house.parts, "opus").file(name).sha256


def test_damage_is_shown_at_the_desk(real, emeritus):
    """What a download met stands on the first page that a steward sees, until the model was found sound."""
    decide(real, "public")
    objects = [path for path in (Path(real.settings.archive) / "objects").rglob("*") if path.is_file()]
    whole = {path: path.read_bytes() for path in objects}
    for path, data in whole.items():
        path.chmod(0o644)
        path.write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    app = application(real, site_url="http://testserver")
    client = TestClient(app, base_url="http://testserver", follow_redirects=False)
    answer = client.get(f"/opus/resolve/main/{NAME}")
    assert (answer.status_code, answer.headers["x-error-code"]) == (500, "archive.object_damaged")
    client.post("/desk/sign-in", data={"token": real.desk_tokens.issue(ADA)})
    page = client.get("/desk").text
    assert "opus is damaged in the archive." in page
    assert NAME in page
    assert emeritus("archive", "verify", "opus")[0] == 6
    assert "is damaged in the archive" in client.get("/desk").text
    for path, data in whole.items():
        path.write_bytes(data)
    assert emeritus("archive", "verify", "opus")[0] == 0
    assert "is damaged in the archive" not in client.get("/desk").text
    assert client.get(f"/opus/resolve/main/{NAME}").status_code == 200


@pytest.fixture
def emeritus(real, monkeypatch, capsys):
    """Type a command for the house; return its exit code and what it printed."""

    def type_(*args: str, by: str = "Ada Lovelace") -> tuple[int, str]:
        typed = ["emeritus", "--home", str(real.settings.home), "--as", by, *args]
        monkeypatch.setattr(sys, "argv", typed)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(cli)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return type_


def test_a_steward_types_it(real, emeritus):
    """Weights are decided on, and handed out to an applicant, on the command line; each for stewards only."""
    opened = ("access", "weights", "opus", "--reason", "Researchers asked.", "--to", "on-request")
    code, said = emeritus(*opened)
    assert code == 0
    assert "HF_ENDPOINT=http://127.0.0.1:8400 hf download opus" in said
    code, said = emeritus(*opened, by="Nobody Known")
    assert code == 5
    assert "not_permitted" in said
    assert emeritus("access", "weights", "sonnet", "--to", "none", "--reason", "x")[0] == 3
    with real.works.write() as work:
        application = applications.apply(
            work.log,
            work.private,
            real.clock,
            models=["opus"],
            who="R",
            contact="r@x.example",
            purpose="Study",
            weights=True,
        ).application.id
    assert "opus  and the weights" in emeritus("access", "applications")[1]
    assert "cannot be called back" in emeritus("access", "show", application)[1]
    code, said = emeritus("access", "grant", application, "--reason", "Welcome.", "--weights")
    assert code == 0
    key = said.rpartition(" ")[2].strip()
    with serving(real) as url:
        request = urllib.request.Request(
            f"{url}/opus/resolve/main/config.json", headers={"authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200


def test_the_page_says_how(real):
    """The public page of a model says who may have its weights, and the one command where somebody may."""
    client = TestClient(application(real, site_url="http://testserver"), base_url="http://testserver")
    command = "HF_ENDPOINT=http://testserver hf download opus"
    apply = "/access/apply?model=opus&amp;weights=yes"
    page = client.get("/models/opus").text
    assert "handed to nobody" in page
    assert command not in page
    for tier, words, asked in (
        ("on-request", "may apply for them", True),
        ("members", "Every member may have the weights", True),
        ("public", "no key is needed", False),
    ):
        decide(real, tier)
        page = client.get("/models/opus").text
        assert words in page
        assert command in page
        assert (apply in page) == asked
        assert "Its makers wished it." in page
    form = client.get("/access/apply?model=opus&weights=yes").text
    assert 'name="weights" id="weights" value="yes" checked' in form


def test_the_site_and_the_gateway_go_on_beside_it(real):
    """The Hub takes no path from anybody else."""
    client = TestClient(application(real, site_url="http://testserver"), base_url="http://testserver")
    for path in ("/", "/models/opus", "/v1/models", "/record", "/access", "/desk/sign-in"):
        assert client.get(path).status_code == 200
    assert "page" in client.get("/nowhere").text


def test_no_key_is_logged(real, capsys):
    """What is told of a download never holds the key."""
    structlog.reset_defaults()
    decide(real, "members")
    with real.works.write() as work:
        who = members.join(work.log, work.private, real.clock, name="Mo", plan="pro", by=SOFTWARE)
        key = members.issue_key(work.log, work.keys, real.clock, who.id).text
    client = TestClient(application(real, site_url="http://testserver"), base_url="http://testserver")
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    for text in (key, wrong):
        client.get("/opus/resolve/main/config.json", headers={"authorization": f"Bearer {text}"})
    said = capsys.readouterr()
    assert "download" in said.out
    assert key not in said.out + said.err
    assert wrong not in said.out + said.err
