"""`emeritus voices`: what is pinned, and who serves."""

import json

from .conftest import MODEL, Shell


def test_pinning_and_unpinning(house: Shell):
    """A model of the register can be pinned and let go; another cannot; nobody serves yet, and that is said."""
    house.refuses("voices", "pin", "nobody", code=3, fault="not_found", says="nobody")
    assert "is pinned" in house.does("voices", "pin", MODEL)
    assert json.loads(house.does("voices", "status", "--json")) == {"nodes": [], "pins": [MODEL]}
    said = house.does("voices", "status")
    assert "Nobody serves now." in said
    assert f"Pinned: {MODEL}" in said
    assert "not pinned any more" in house.does("voices", "unpin", MODEL)
    assert "was not pinned" in house.does("voices", "unpin", MODEL)
