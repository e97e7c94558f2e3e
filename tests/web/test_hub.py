"""What is published is announced to a WebSub hub over real connections, and feeds name the hub."""

import http.server
import ipaddress
import re
import threading
from pathlib import Path
from urllib.parse import parse_qsl

import feedparser
import pytest
from attrs import define, evolve, field
from starlette.testclient import TestClient

from emeritus import column
from emeritus.archive.fakes import MemoryBlobs
from emeritus.process import deliver
from emeritus.process.hub import Hub
from emeritus.process.ports import Parts
from emeritus.store.fetch import SafeFetch
from emeritus.web.pages.app import build_app

SITE = "https://lab.example"
MODEL = "smollm2-135m-instruct"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@define
class Heard:
    """A hub on this machine, and what it was told; it refuses as often as *refusals* says."""

    url: str = ""
    told: list[tuple[str, dict[str, str]]] = field(factory=list)
    signed: list[str | None] = field(factory=list)
    refusals: int = 0


@pytest.fixture
def hub():
    heard = Heard()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            if heard.refusals:
                heard.refusals -= 1
                self.send_response(503)
            else:
                heard.told.append((self.headers["content-type"], dict(parse_qsl(body))))
                heard.signed.append(self.headers["webhook-signature"])
                self.send_response(202)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        heard.url = f"http://127.0.0.1:{server.server_port}/"
        yield heard
        server.shutdown()


def deliver_all(house, fetch) -> None:
    """Send what is due, as a worker does, until nothing is left or everything waits for its next try."""
    parts = Parts(
        work=house.works.write, blobs=MemoryBlobs(), cache=Path("/nowhere"), voices=None, clock=house.clock,
        sign=house.key.sign, verify=lambda *_: True, fetch=fetch, site_url=SITE,
    )  # fmt: skip
    while deliver.stride(parts, deliver.SUBJECT):
        pass


def publish(client, house, essay: str) -> None:
    with house.works.write() as work:
        column.approve(work.log, essay, by=house.reviewer)
    page = client.get(f"/desk/essays/{essay}").text
    csrf = re.search(r'name="csrf" value="([\w:]+)"', page)[1]
    sent = {"csrf": csrf, "form": "publish", "sure": "yes"}
    assert client.post(f"/desk/essays/{essay}", data=sent).status_code == 303


def client_of(house, hub: Hub | None, signed_in):
    app = build_app(evolve(house.parts(SITE), hub=hub))
    return signed_in(TestClient(app, base_url=SITE, follow_redirects=False), "reviewer-token")


@pytest.fixture
def written(new_house):
    """A house with a retired model whose essay waits for its reviewer."""
    house = new_house()
    house.found()
    house.add_models()
    house.announce()
    house.preserve()
    house.interview()
    house.confirm()
    house.decide()
    house.retire()
    return house, house.write("# Hello\n\nIt is me.")


def test_an_essay_is_announced_once_for_each_feed(written, hub, signed_in):
    """The hub hears of every feed in which it stands, unsigned, in the form of WebSub; a refusal is tried again."""
    house, essay = written
    client = client_of(house, Hub(hub.url, SITE), signed_in)
    hub.refusals = 1
    publish(client, house, essay)
    assert hub.told == [], "nothing leaves before the act stands"
    fetch = SafeFetch(inside=LOOPBACK)
    deliver_all(house, fetch)
    house.pass_time(hours=1)
    deliver_all(house, fetch)
    deliver_all(house, fetch)
    fronts = (f"{SITE}/column", f"{SITE}/column/{MODEL}")
    feeds = {f"{front}/feed.{form}" for front in fronts for form in ("atom", "rss", "json")}
    assert sorted(told["hub.url"] for _, told in hub.told) == sorted(feeds)
    assert {(kind, told["hub.mode"]) for kind, told in hub.told} == {
        ("application/x-www-form-urlencoded", "publish")
    }
    assert set(hub.signed) == {None}
    for url in feeds:
        answer = client.get(url)
        assert f'<{hub.url}>; rel="hub"' in answer.headers["link"]
        assert f'<{url}>; rel="self"' in answer.headers["link"]
        if url.endswith("json"):
            assert answer.json()["hubs"] == [{"type": "WebSub", "url": hub.url}]
        else:
            links = feedparser.parse(answer.content).feed.links
            assert [each["href"] for each in links if each["rel"] == "hub"] == [hub.url]


def test_a_hub_inside_is_not_reached_unless_it_may_be(written, hub, signed_in):
    """An address of this machine is refused as any other fetch is; the essay is published all the same."""
    house, essay = written
    publish(client_of(house, Hub(hub.url, SITE), signed_in), house, essay)
    deliver_all(house, SafeFetch())
    assert hub.told == []
    with house.works.read() as work:
        assert work.deliveries.tally() == {"waiting": 0, "sent": 0, "failed": 6}
        assert column.states(work.log, MODEL)[0].state == "published"


def test_without_a_hub_feeds_name_none(written, signed_in):
    """It is off until a setting names one."""
    house, essay = written
    client = client_of(house, None, signed_in)
    publish(client, house, essay)
    for form in ("atom", "rss", "json"):
        answer = client.get(f"/column/{MODEL}/feed.{form}")
        assert "link" not in answer.headers
        assert "hub" not in answer.text
    with house.works.read() as work:
        assert not any(work.deliveries.tally().values())
