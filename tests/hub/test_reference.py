"""The reference tells everything that the Hub has."""

from pathlib import Path
from typing import get_args

import pytest

from emeritus.ledger.aftercare import TIERS
from emeritus.web.hub import asked, lanes

REFERENCE = (Path(__file__).parents[2] / "docs/reference/hub.md").read_text()


@pytest.mark.parametrize("what", get_args(asked.What))
def test_every_question_is_told(what):
    """What can be asked of a model has a line."""
    path = {"info": "/api/models/{repo}`", "resolve": "/{repo}/resolve/{rev}/{path}`"}.get(what, f"/{what}")
    assert path in REFERENCE


@pytest.mark.parametrize("tier", TIERS)
def test_every_tier_is_told(tier):
    """Each policy has a line in the table."""
    assert f"\n| `{tier}` |" in REFERENCE


def test_every_refusal_is_told(house, server):
    """What the Hub answers instead of a file stands in the table, with its status."""
    house.add("not-yet")
    house.downloads("opus", "none")
    for path in ("/api/models/x", "/opus/resolve/x/y", "/opus/resolve/main/config.json"):
        answer = server.http(path)
        rows = [line for line in REFERENCE.splitlines() if f"`{answer.headers['x-error-code']}`" in line]
        assert any(str(answer.status) in row.split("|")[1] for row in rows)
    house.downloads("opus", "public")
    answer = server.http("/opus/resolve/main/x")
    assert f"| {answer.status} | `{answer.headers['x-error-code']}` |" in REFERENCE
    assert f"| {lanes.TooMany.status} | `{lanes.TooMany.id}` |" in REFERENCE


def test_the_bounds_are_told(house):
    """The numbers in the text are those of the code."""
    assert f"({house.parts().streams})" in REFERENCE
    assert f"waits for {lanes.PATIENCE:g} seconds" in REFERENCE
