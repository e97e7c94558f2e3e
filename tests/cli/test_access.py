"""Access by command: policies, rules, members by list, use and dependants."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from emeritus.access import keys
from emeritus.settings import load_settings
from emeritus.wiring import open_house

MODEL = "small-1"
SOON = str((datetime.now(UTC) + timedelta(days=30)).date())


@pytest.fixture
def used(house):
    """A house in which a member with an address called the model; the member's id."""
    said = house.does("access", "join", "Mo Reader", "--plan", "pro", "--mail", "mo@reader.example")
    key = said.rsplit(" ", 1)[-1].strip()
    with open_house(load_settings(house.home)) as real, real.works.write() as work:
        record = keys.present(work.keys, key)
        work.usage.begin("req-1", record.id, MODEL, real.clock.now())
        work.usage.finish("req-1", tokens_in=5, tokens_out=7, seconds=0.5, status=200)
        return record.holder


def test_a_policy_is_decided_and_shown(house):
    """Who may reach it, until when, and how that changed; nothing has come due yet."""
    house.does("access", "decide", MODEL, "--to", "public", "--reason", "Loved.", "--review-on", SOON)
    said = house.does("access", "policy", MODEL)
    for part in ("public", SOON, "everybody, without a key. Loved.", "Ada Lovelace"):
        assert part in said
    assert "No day of review has come." in house.does("access", "policy", "--due")
    house.refuses(
        "access", "decide", MODEL, "--to", "none", "--reason", "x", "--review-on", "2020-01-01",
        code=2, fault="input.invalid", says="2020-01-01",
    )  # fmt: skip
    house.refuses(
        "access", "decide", MODEL, "--to", "none", "--reason", "x", "--review-on", SOON, as_="Ray",
        code=5, fault="not_permitted", says="not a steward",
    )  # fmt: skip


def test_rules_are_shown_and_adopted(house, tmp_path):
    """Those that come with it, and one's own, with a reason; a file that is none is refused with its line."""
    assert "refused-before" in house.does("access", "rules")
    file = tmp_path / "ours.yaml"
    file.write_text("format: access-rules/1\nname: ours\nsays: Ours.\nrules: []\n")
    assert "ours holds: 0 rules" in house.does("access", "adopt-rules", str(file), "--reason", "Simple.")
    assert "ours" in house.does("access", "rules")
    file.write_text("format: 1\n")
    house.refuses(
        "access", "adopt-rules", str(file), "--reason", "x", code=2, fault="input.invalid", says="line 1"
    )


def test_members_by_list(house, tmp_path):
    """What would change is shown; nothing is done dry, or with nobody there to ask; then it is."""
    file = tmp_path / "members.csv"
    file.write_text("id,name,plan\n1,Grete,reader\n2,Emmy,reader\n")
    before = house.entries()
    assert "+ Grete (1): joins as reader" in house.does("access", "import", str(file), "--dry-run")
    assert house.entries() == before
    house.refuses("access", "import", str(file), code=2, fault="input.invalid", says="nobody is here to ask")
    assert "2 gave no address" in house.does("access", "import", str(file), "--yes")
    listed = json.loads(house.does("access", "members", "--json"))
    assert [(each["name"], each["source"]) for each in listed] == [("Grete", "list"), ("Emmy", "list")]
    assert "emer_" in house.does("access", "key", listed[0]["id"])
    assert "0 change, 2 stay" in house.does("access", "import", str(file), "--yes")
    file.write_text("id,name,plan\n1,Grete\n")
    house.refuses("access", "import", str(file), "--yes", code=2, fault="members.bad_list", says="line 2")
    house.refuses(
        "access", "import", str(tmp_path / "none.csv"), code=2, fault="input.invalid", says="cannot be read"
    )


def test_use_and_who_depends_on_it(house, used):
    """By key and model, and by who is behind it, with how they are reached; as words and as JSON."""
    [row] = json.loads(house.does("access", "usage", "--json"))
    assert (row["holder"], row["model"], row["requests"], row["tokens_out"]) == (used, MODEL, 1, 7)
    assert used in house.does("access", "usage", "--model", MODEL)
    assert "Nothing was used." in house.does("access", "usage", "--since", SOON)
    said = house.does("access", "dependants", MODEL)
    for part in (used, "Mo Reader", "1 calls", "mo@reader.example"):
        assert part in said
    house.does("access", "lapse", used)
    assert "Nobody depends on" in house.does("access", "dependants", MODEL)
    house.refuses("access", "dependants", "none", code=3, fault="not_found", says="no model")


def test_keys_are_rotated_with_an_overlap(house, used):
    """The old one ends in a day, or at once; an overlap of months is refused."""
    [key] = json.loads(house.does("access", "keys", "--json"))
    assert "ends in 24 hours" in house.does("access", "rotate", key["id"], "--overlap", "24")
    house.refuses(
        "access", "rotate", key["id"], "--overlap", "1000", code=2, fault="input.invalid", says="overlap"
    )
    assert "has ended" in house.does("access", "rotate", key["id"], "--end")


def test_what_changes_is_explained(house):
    """Once its retirement is opened, and not before."""
    house.refuses(
        "notice", "explain", MODEL, "--text", "Shorter.", code=4, fault="conflict", says="not possible"
    )
    day = str((datetime.now(UTC) + timedelta(days=90)).date())
    house.does("retire", MODEL, "--on", day, "--no-replacement", "--why", "Superseded.")
    assert "says what changes" in house.does("notice", "explain", MODEL, "--text", "Shorter.")
    house.refuses("notice", "explain", MODEL, code=2, fault="input.invalid", says="not said, or said twice")
