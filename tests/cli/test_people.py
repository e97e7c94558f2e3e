"""Roles, leaving and signing out, by command."""

from emeritus.wiring import open_house


def test_people_come_and_go(house):
    """A second role, other roles, and leaving; each names who may act from then on."""
    assert "steward and reviewer" in house.does("person", "add", "Ray", "--role", "steward")
    assert "may act as reviewer." in house.does(
        "person", "revise", "Ray", "--role", "reviewer", "--why", "Enough."
    )
    house.does("person", "leave", "Ray", "--why", "Moved on.")
    assert "Ray" not in house.does("person", "list")
    house.refuses(
        "person", "leave", "Ada Lovelace", "--why", "Tired.", code=4, fault="conflict", says="only steward"
    )  # fmt: skip


def test_signing_out_ends_every_token(house):
    """One's own tokens, or as a steward those of others; a token that was ended opens nothing any more."""
    token = house.does("person", "sign-in", "Ray").strip()
    with open_house(_settings(house)) as real:
        seat = real.desk_tokens.seat(token)
        assert real.desk_tokens.holds(seat)
        house.refuses(
            "person", "sign-out", "Ada Lovelace", as_="Ray", code=5, fault="not_permitted", says="Ray"
        )
        assert "2 tokens of Ray ended" in house.does("person", "sign-out", "Ray")
        assert real.desk_tokens.seat(token) is None
        assert not real.desk_tokens.holds(seat)


def _settings(house):
    from emeritus.settings import load_settings

    return load_settings(house.home)
