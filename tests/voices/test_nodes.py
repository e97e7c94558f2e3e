"""Several nodes: a call goes to the one that has the model, once; who is gone is passed by; strangers stay out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.voices.nodes import CROWD, Node, owner, route
from emeritus.voices.passage import GOOD_FOR, Passage, Stranger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)


def node(name: str, load: int = 0, *, draining: bool = False, **models: str) -> Node:
    return Node(name, f"http://{name}", NOW, load, draining, models)


@given(NAMES, st.text(min_size=1, max_size=20))
def test_all_nodes_choose_alike(names, model):
    """Whoever is asked, and in whatever order the nodes are listed, a cold model goes to the same node."""
    nodes = [node(name) for name in names]
    chosen = {route(model, order, me.id)[0].id for me in nodes for order in (nodes, nodes[::-1])}
    assert chosen == {owner(model, nodes)}


@given(NAMES, st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=50, unique=True))
def test_a_node_that_leaves_takes_only_its_own_models_along(names, models):
    """Rendezvous hashing: when one goes, no model of the others moves."""
    nodes = [node(name) for name in names]
    gone, left = nodes[0], nodes[1:]
    for model in models:
        if left and owner(model, nodes) != gone.id:
            assert owner(model, left) == owner(model, nodes)


def test_who_has_the_model_is_asked_first_and_the_least_busy_of_those():
    """Warm goes before loading, loading before cold; of two that are warm the one with fewer calls."""
    nodes = [node("a"), node("b", m="loading"), node("c", 5, m="warm"), node("d", 3, m="warm")]
    assert [one.id for one in route("m", nodes, "a")][:3] == ["d", "c", "b"]


def test_a_crowded_node_is_asked_last():
    """Far beyond the others' load, even the node that has the model is passed over, and a second one loads it."""
    nodes = [node("a", 3 * CROWD, m="warm"), node("b"), node("c")]
    assert route("m", nodes, "b")[-1].id == "a"
    nodes[0] = node("a", CROWD, m="warm")
    assert route("m", nodes, "b")[0].id == "a"


def test_who_drains_is_not_asked_but_may_ask():
    """A node that ends gets nothing more from others."""
    nodes = [node("a", draining=True, m="warm"), node("b")]
    assert [one.id for one in route("m", nodes, "b")] == ["b"]
    assert "a" in {one.id for one in route("m", nodes, "a")}
    assert owner("m", nodes) == "b"
    assert owner("m", []) == ""


def test_only_nodes_of_the_house_are_let_in():
    """The proof covers time, model, path, key and body; it wears off; the secret itself is never sent."""
    now = [1000.0]
    mine = Passage(lambda: b"secret", lambda: now[0])
    headers = mine.headers("m", "/v1/messages", "key-1", b"{}")
    assert mine.check(headers, "m", "/v1/messages", b"{}") == "key-1"
    assert b"secret" not in repr(headers).encode()
    now[0] += GOOD_FOR
    mine.check(headers, "m", "/v1/messages", b"{}")
    wrong = [
        (headers, "n", "/v1/messages", b"{}"),
        (headers, "m", "/v1/completions", b"{}"),
        (headers, "m", "/v1/messages", b"{ }"),
        ({**headers, "x-emeritus-key": "key-2"}, "m", "/v1/messages", b"{}"),
        (
            {**headers, "x-emeritus-node": "1060." + headers["x-emeritus-node"].partition(".")[2]},
            "m",
            "/v1/messages",
            b"{}",
        ),
        ({**headers, "x-emeritus-node": "9" * 400 + ".0"}, "m", "/v1/messages", b"{}"),
        ({**headers, "x-emeritus-node": "²." + "0" * 64}, "m", "/v1/messages", b"{}"),
        ({**headers, "x-emeritus-node": "1000.é"}, "m", "/v1/messages", b"{}"),
        ({}, "m", "/v1/messages", b"{}"),
    ]
    for each in wrong:
        with pytest.raises(Stranger):
            mine.check(*each)
    with pytest.raises(Stranger):
        Passage(lambda: b"another", lambda: now[0]).check(headers, "m", "/v1/messages", b"{}")
    now[0] += 1
    with pytest.raises(Stranger):
        mine.check(headers, "m", "/v1/messages", b"{}")
