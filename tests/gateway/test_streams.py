"""Many streams at once, on the gateway as it is installed: none breaks, and all are counted exactly."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_many_streams_at_once(tmp_path, monkeypatch):
    """What `make bench-streams` does for minutes, for a few seconds: every stream whole, every token counted."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.gateway import streams

    told = streams.measure(tmp_path, streams=120, seconds=3, pause=0.2, ramp=1.0, settle=0)
    assert told["errors"] == 0, told
    assert told["usage_exact"], told
    assert told["calls_counted"] == 120
    assert told["tokens_counted"] == 120 * told["tokens_each"]
    # A kept connection to the engine for each, and a handful of the database's: a leak would double it.
    assert told["files_left"] <= 120 + 8
