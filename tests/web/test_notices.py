"""Notices: each date says what it is a date of, for people, programs and feed readers alike."""

import feedparser

MODEL = "smollm2-135m-instruct"


def test_notices_for_programs(client):
    """Announced and retired, each with its meaning; whether the promise was kept is computed."""
    notice = client.get("/notices.json").json()["notices"][0]
    assert notice["model"] == MODEL
    assert [(each["meaning"], each["date"][:10]) for each in notice["dates"]] == [
        ("announced", "2026-09-03"),
        ("retired", "2026-11-17"),
    ]
    assert (notice["notice_days"], notice["promised_notice_days"], notice["promise_kept"]) == (75, 60, True)
    assert notice["replacement"] == "smollm3-3b"


def test_a_short_notice_says_so(new_house, client_for):
    """Notice shorter than promised is called that, with the reason, on the page and for programs."""
    from datetime import timedelta

    from emeritus import registry

    house = new_house()
    house.found()
    house.add_models()
    registry.open_retirement(
        house.log,
        house.clock,
        MODEL,
        on=(house.clock.now() + timedelta(days=20)).date(),
        replacement=None,
        why="It gives away what it should not.",
        by=house.steward,
        short_notice="It cannot be left in service.",
    )
    client = client_for(house)
    page = client.get(f"/models/{MODEL}/notice").text
    assert "60 days are promised; this is shorter." in page
    assert "It cannot be left in service." in page
    assert "20 days from today" in page
    assert client.get("/notices.json").json()["notices"][0]["promise_kept"] is False
    assert "20 days from today" in client.get(f"/models/{MODEL}").text


def test_feeds_are_read_by_a_feed_reader(client):
    """Both feeds parse without complaint and lead to their pages."""
    for path, entries in (("/notices.atom", 1), (f"/column/{MODEL}/feed.atom", 2)):
        answer = client.get(path)
        assert answer.headers["content-type"].startswith("application/atom+xml")
        feed = feedparser.parse(answer.content)
        assert not feed.bozo, feed.get("bozo_exception")
        assert len(feed.entries) == entries
        for entry in feed.entries:
            assert client.get(entry.link.removeprefix("http://127.0.0.1:8000")).status_code == 200


def test_an_active_model_has_no_notice(client):
    """Who asks for the notice of a model that stays is told that it stays."""
    answer = client.get("/models/smollm3-3b/notice")
    assert answer.status_code == 404
    assert "no notice has been given" in answer.text
