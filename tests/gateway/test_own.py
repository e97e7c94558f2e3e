"""What the holder of a key learns and changes with it, and nothing about anybody else."""

from datetime import timedelta

from emeritus.access.keys import MOST_LIVE

CHAT = {"model": "opus", "messages": [{"role": "user", "content": "Hello"}]}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def test_own_usage_is_exact_and_ones_own(server, house):
    """Each model with what all one's keys used of it; what is left of a budget; nothing of other holders."""
    mine, other = house.grant("opus", "haiku", budget=1000, rate=50), house.grant("opus")
    for key in (mine, mine, other):
        assert server.http("/v1/chat/completions", CHAT, **bearer(key)).status == 200
    server.http("/v1/chat/completions", {**CHAT, "model": "haiku"}, **bearer(mine))
    told = server.http("/v1/usage", **bearer(mine)).json
    opus, haiku = sorted(told["models"], key=lambda each: each["model"], reverse=True)
    assert (opus["model"], opus["requests"], haiku["model"], haiku["requests"]) == ("opus", 2, "haiku", 1)
    spent = sum(each["tokens_in"] + each["tokens_out"] for each in told["models"])
    assert spent > 0
    assert told["grant"]["budget_left"] == 1000 - spent
    assert told["grant"]["calls_a_minute"] == 50
    [key] = told["keys"]
    assert (key["this"], key["last_used_at"] is not None) == (True, True)
    assert mine not in str(told)


def test_usage_since(server, house):
    """Only calls that began since then; a time without a zone is refused."""
    key = house.member()
    server.http("/v1/chat/completions", CHAT, **bearer(key))
    house.clock.advance(timedelta(hours=1))
    later = house.clock.now().isoformat().replace("+00:00", "Z")
    assert server.http(f"/v1/usage?since={later}", **bearer(key)).json["models"] == []
    assert server.http("/v1/usage?since=yesterday", **bearer(key)).status == 422


def test_without_a_good_key_nothing_is_told(server, house):
    """No key, a strange one and one that has ended get a sentence and what to do, and no figures."""
    ended = house.member()
    house.keys.revoke(house.keys.all()[-1].id, house.clock.now())
    for headers in ({}, bearer("emer_" + "x" * 38), bearer("sk-1"), bearer(ended)):
        for path, body in (("/v1/usage", None), ("/v1/keys/rotate", {})):
            answer = server.http(path, body, **headers)
            assert (answer.status, answer.json["error"]["code"]) == (401, "key.not_accepted")
            assert answer.json["error"]["next_step"]


def test_a_budget_does_not_begin_anew_with_a_new_key(server, house):
    """A grant's budget and rate are for all its keys together."""
    key = house.grant("opus", budget=20)  # the fake engine takes 28 tokens for a call
    assert server.http("/v1/chat/completions", CHAT, **bearer(key)).status == 200
    fresh = server.http("/v1/keys/rotate", {}, **bearer(key)).json["key"]
    answer = server.http("/v1/chat/completions", CHAT, **bearer(fresh))
    assert (answer.status, answer.json["error"]["code"]) == (429, "budget_spent")


def test_a_rate_holds_for_a_minute(server, house):
    """So many calls within any minute and not one more; a minute later there is room again."""
    key = house.grant("opus", rate=2)
    statuses = [server.http("/v1/chat/completions", CHAT, **bearer(key)).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    house.clock.advance(timedelta(seconds=61))
    assert server.http("/v1/chat/completions", CHAT, **bearer(key)).status == 200


def test_rotating_with_an_overlap(server, house):
    """Both keys work until the overlap is over, then only the new one; without one the old key ends at once."""
    old = house.member()
    told = server.http("/v1/keys/rotate", {"overlap_hours": 24}, **bearer(old)).json
    new = told["key"]
    house.texts.append(new)
    assert [server.http("/v1/usage", **bearer(key)).status for key in (old, new)] == [200, 200]
    house.clock.advance(timedelta(hours=24))
    assert [server.http("/v1/usage", **bearer(key)).status for key in (old, new)] == [401, 200]
    newest = server.http("/v1/keys/rotate", {}, **bearer(new)).json["key"]
    assert [server.http("/v1/usage", **bearer(key)).status for key in (new, newest)] == [401, 200]


def test_what_cannot_be_rotated_so(server, house):
    """An overlap that is too long, negative or no number changes nothing; nor can keys pile up."""
    key = house.member()
    for hours in (721, -1, "day", 1e300):
        assert server.http("/v1/keys/rotate", {"overlap_hours": hours}, **bearer(key)).status in (400, 422)
    assert len(house.keys.all()) == 1
    for _ in range(MOST_LIVE - 1):
        assert server.http("/v1/keys/rotate", {"overlap_hours": 24}, **bearer(key)).status == 200
    assert server.http("/v1/keys/rotate", {"overlap_hours": 24}, **bearer(key)).status == 409


def test_where_notices_go(server, house):
    """An address is given, read and taken back by its holder alone; a first message goes there at once."""
    mine, other = house.member(), house.member()
    url = "https://hooks.example/in"
    assert server.http("/v1/webhook", **bearer(mine)).json["url"] is None
    assert server.http("/v1/webhook", {"url": url}, method="PUT", **bearer(mine)).json["url"] == url
    assert server.http("/v1/webhook", **bearer(mine)).json["url"] == url
    assert server.http("/v1/webhook", **bearer(other)).json["url"] is None
    [first] = house.deliveries.take(house.clock.now(), 10)
    assert (first.url, b"webhook.registered" in first.body) == (url, True)
    assert server.http("/v1/webhook", method="DELETE", **bearer(mine)).json["removed"] is True
    assert server.http("/v1/webhook", **bearer(mine)).json["url"] is None
    for wrong in ({"url": "file:///etc/passwd"}, {"url": 5}, {"where": url}, [], "x"):
        assert server.http("/v1/webhook", wrong, method="PUT", **bearer(mine)).status in (400, 422)
