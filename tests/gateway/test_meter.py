"""Counting and cutting, whatever the pieces in which a stream arrives."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.voices.errors import BadReply
from emeritus.web.gateway import meter as module
from emeritus.web.gateway.meter import Events, Meter

ENDS = st.sampled_from([b"\n\n", b"\r\n\r\n"])
LINES = st.lists(
    st.sampled_from([b"data: {}", b"event: ping", b": comment", b'data: {"a": "\xc3\xa9"}']),
    min_size=1,
    max_size=3,
)
EVENTS = st.lists(st.tuples(LINES, ENDS), max_size=8)


@given(EVENTS, st.lists(st.integers(0, 400), max_size=12), st.binary(max_size=5))
def test_no_byte_is_lost_in_whatever_pieces(events, cuts, rest):
    """However a stream is cut, all its bytes come out, in order, and only whole events before the rest."""
    stream = b"".join(b"\n".join(lines) + end for lines, end in events) + rest
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    cutter = Events()
    out = [event for begin, end in itertools.pairwise(places) for event in cutter.feed(stream[begin:end])]
    assert b"".join(out) + cutter.rest() == stream
    assert all(event.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")) for event in out)


def test_an_event_without_an_end(monkeypatch):
    """An event that does not end is refused before it fills the memory."""
    monkeypatch.setattr(module, "MAX_EVENT", 1000)
    cutter = Events()
    assert cutter.feed(b"x" * 600) == []
    with pytest.raises(BadReply):
        cutter.feed(b"x" * 600)


def event(value) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def test_usage_of_every_kind():
    """OpenAI's usage, Anthropic's with its cache, and that of responses are all read."""
    cases = [
        ([{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}], (3, 4)),
        ([{"choices": [{"text": ""}], "usage": {"prompt_tokens": 3, "completion_tokens": 0}}], (3, 1)),
        (
            [
                {
                    "type": "message_start",
                    "message": {
                        "usage": {"input_tokens": 1, "cache_read_input_tokens": 30, "output_tokens": 0}
                    },
                },
                {"type": "message_delta", "usage": {"output_tokens": 9}},
            ],
            (31, 9),
        ),
        (
            [
                {
                    "type": "response.completed",
                    "response": {"usage": {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11}},
                }
            ],
            (5, 6),
        ),
    ]
    for events, counted in cases:
        meter = Meter()
        assert all(meter.event(event(each)) for each in events)
        assert (meter.tokens_in, meter.tokens_out) == counted, events


def test_a_broken_stream_is_counted_by_its_events():
    """When the caller hangs up before the engine's own count came, each piece counts as about one token."""
    meter = Meter()
    for word in ("a", "b", "c"):
        meter.event(event({"choices": [{"delta": {"content": word}}]}))
    assert meter.tokens_out == 3


def test_only_what_we_asked_for_is_hidden():
    """The event that carries usage alone is hidden when we asked for it, never one with words in it."""
    alone = event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    with_words = event({"choices": [{"text": "x"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    talk = event({"choices": [{"delta": {"content": '"usage"'}}], "usage": None})
    assert not Meter(hide_usage=True).event(alone)
    assert Meter().event(alone)
    for shown in (with_words, talk, b"data: [DONE]\n\n", b'data: {"usage": \n\n', b"data: \xff usage\n\n"):
        assert Meter(hide_usage=True).event(shown)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda s: (
            st.lists(s, max_size=2)
            | st.dictionaries(
                st.sampled_from(["usage", "choices", "message", "prompt_tokens"]), s, max_size=3
            )
        ),
    )
)
def test_hostile_usage_counts_nothing_wrong(value):
    """Whatever an engine puts where usage belongs, counts stay whole numbers of 0 or more."""
    meter = Meter(hide_usage=True)
    meter.event(event({"usage": value, "choices": []}))
    meter.whole(json.dumps({"usage": value}).encode())
    for counted in (meter.tokens_in, meter.tokens_out):
        assert isinstance(counted, int)
        assert 0 <= counted <= 2**53
