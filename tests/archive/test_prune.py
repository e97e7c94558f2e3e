"""Nothing is removed that somebody needs, or is about to need."""

import sys
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta

import pytest
from tests.archive.families import archive, base_weights, sign, tuned, write_model

from emeritus.archive import (
    ManifestDamaged,
    ObjectMissing,
    StoreFailed,
    ingest_file,
    inspect,
    prune,
    seal,
    verify,
)
from emeritus.archive.facts import object_path
from emeritus.archive.prune import GOING, PLAN
from emeritus.core.clock import SettableClock

WEEK = timedelta(days=7)


@pytest.fixture
def clock():
    return SettableClock(datetime(2030, 1, 1, tzinfo=UTC))


def forget(stored, blobs):
    """Take a manifest away, as a lawful deletion does; its objects stay."""
    for path in list(blobs.list(f"manifests/{stored.manifest.model}")):
        blobs.delete(path)


def later(clock, after=WEEK):
    clock.advance(after)


def test_looking_changes_nothing(tmp_path, blobs, clock):
    stored = archive(tmp_path, "gone", base_weights(), blobs)
    forget(stored, blobs)
    before = dict(blobs.held)
    found = prune(blobs, clock)
    assert set(found.unneeded) == set(stored.manifest.objects)
    assert (found.removed, found.due) == ({}, None)
    assert blobs.held == before


def test_what_nobody_needs_goes_after_a_while(tmp_path, blobs, clock):
    """First it is planned; before the grace is over nothing goes; then exactly that goes."""
    kept = archive(tmp_path, "kept", base_weights(2), blobs)
    gone = archive(tmp_path, "gone", base_weights(1), blobs)
    forget(gone, blobs)
    unneeded = gone.manifest.objects.keys() - kept.manifest.objects.keys()
    first = prune(blobs, clock, really=True)
    assert (set(first.unneeded), first.removed) == (unneeded, {})
    later(clock, WEEK / 2)
    assert prune(blobs, clock, really=True).removed == {}
    later(clock)
    done = prune(blobs, clock, really=True)
    assert set(done.removed) == unneeded
    assert not any(blobs.exists(object_path(digest)) for digest in unneeded)
    assert verify(kept.manifest, blobs).is_sound
    assert prune(blobs, clock, really=True).unneeded == {}
    assert not blobs.exists(PLAN)


def test_a_base_stays_as_long_as_a_difference_needs_it(tmp_path, blobs, clock):
    """The manifest of the base is gone; what its child builds on is not."""
    base = archive(tmp_path, "base", base_weights(), blobs)
    child = archive(tmp_path, "child", tuned(base_weights(), 1), blobs, base=base.manifest)
    forget(base, blobs)
    for _ in range(3):
        prune(blobs, clock, really=True)
        later(clock)
    assert verify(child.manifest, blobs).is_sound
    left = {path.rpartition("/")[2] for path in blobs.list("objects")}
    assert left == child.manifest.closure


def test_an_ingest_under_way_loses_nothing(tmp_path, blobs, clock):
    """Its objects are stored, and planned for removal; when it seals after the grace, they stay."""
    source = inspect(write_model(tmp_path / "slow", base_weights()))
    recipe = ingest_file(source.files[0], blobs)
    assert prune(blobs, clock, really=True).due is not None
    later(clock)
    sealed = seal("slow", [recipe], blobs, sign=sign)
    assert not blobs.exists(PLAN)
    assert prune(blobs, clock, really=True).removed == {}
    assert verify(sealed, blobs).is_sound


def test_a_plan_stands_for_what_an_ingest_does_not_need(tmp_path, blobs, clock):
    """What a new manifest needs is taken off it; the rest goes on its day, and what came later does not put it off."""
    gone = archive(tmp_path, "gone", base_weights(1), blobs)
    source = inspect(write_model(tmp_path / "slow", base_weights(2)))
    recipe = ingest_file(source.files[0], blobs)
    forget(gone, blobs)
    due = prune(blobs, clock, really=True).due
    sealed = seal("slow", [recipe], blobs, sign=sign)
    later(clock, WEEK / 2)
    forget(archive(tmp_path, "later", base_weights(3), blobs), blobs)
    assert prune(blobs, clock, really=True).due == due
    later(clock, WEEK / 2)
    done = prune(blobs, clock, really=True)
    assert set(done.removed) == gone.manifest.objects.keys() - sealed.objects.keys()
    assert verify(sealed, blobs).is_sound


def test_an_ingest_that_came_too_late_is_told(tmp_path, blobs, clock):
    """What was removed before it seals is missed at once; doing it again stores it anew."""
    source = inspect(write_model(tmp_path / "late", base_weights()))
    recipe = ingest_file(source.files[0], blobs)
    prune(blobs, clock, really=True)
    later(clock)
    assert prune(blobs, clock, really=True).removed
    with pytest.raises(ObjectMissing, match="not sealed"):
        seal("late", [recipe], blobs, sign=sign)
    assert verify(seal("late", [ingest_file(source.files[0], blobs)], blobs, sign=sign), blobs).is_sound


def test_a_plan_that_is_taken_away_stops_the_removal(tmp_path, blobs, clock, monkeypatch):
    """A manifest that is sealed in the middle of it, and needs some of it, ends it."""
    weights = base_weights()
    gone = archive(tmp_path, "gone", weights, blobs)
    forget(gone, blobs)
    prune(blobs, clock, really=True)
    later(clock)
    seen = []

    def watch(done, total, what):
        if not seen:
            seen.append(what)
            archive(tmp_path, "again", weights, blobs)

    done = prune(blobs, clock, really=True, progress=watch)
    assert list(done.removed) == seen
    assert verify(archive(tmp_path, "again", weights, blobs).manifest, blobs).is_sound


@pytest.mark.parametrize("objects_at_stake", ["first", "all"])
def test_a_seal_waits_for_what_is_going(tmp_path, blobs, clock, monkeypatch, objects_at_stake):
    """An object whose removal began before a seal changed the plan: nothing is sealed without it, however they fall."""
    weights = base_weights()
    gone = archive(tmp_path, "gone", weights, blobs)
    recipe = ingest_file(inspect(write_model(tmp_path / "again", weights)).files[0], blobs)
    forget(gone, blobs)
    prune(blobs, clock, really=True)
    later(clock)
    delete, sealing = blobs.delete, []

    def slow(path):
        """Stand still where an object is about to go, until a seal has looked, changed the plan, and waits."""
        if path.startswith("objects/") and (objects_at_stake == "all" or not sealing):
            sealing.append(pool.submit(seal, "again", [recipe], blobs, sign=sign))
            wait(sealing, timeout=0.3)
            assert not any(each.done() for each in sealing), "it saw what was going"
        return delete(path)

    monkeypatch.setattr(blobs, "delete", slow)
    with ThreadPoolExecutor() as pool:
        removed = prune(blobs, clock, really=True).removed
        assert removed
        for each in sealing:
            with pytest.raises(ObjectMissing, match="not sealed"):
                each.result(timeout=20)
    assert not list(blobs.list(GOING))
    again = archive(tmp_path, "again", weights, blobs)
    assert verify(again.manifest, blobs).is_sound


def test_a_mark_of_one_who_was_stopped(tmp_path, blobs, clock, monkeypatch):
    """A seal says that somebody may have been stopped; a prune after an hour ends it."""
    monkeypatch.setattr(sys.modules["emeritus.archive.prune"], "PATIENCE", 0.1)
    recipe = ingest_file(inspect(write_model(tmp_path / "m", base_weights())).files[0], blobs)
    blobs.put_if_absent(f"{GOING}/{int(clock.now().timestamp())}-dead", [b"sha256:0"])
    prune(blobs, clock, really=True)
    with pytest.raises(StoreFailed, match="stopped in the middle"):
        seal("m", [recipe], blobs, sign=sign)
    later(clock, timedelta(hours=2))
    prune(blobs, clock, really=True)
    assert verify(seal("m", [recipe], blobs, sign=sign), blobs).is_sound


def test_nothing_goes_while_a_manifest_cannot_be_read(tmp_path, blobs, clock):
    """Who knows what it needs."""
    stored = archive(tmp_path, "m", base_weights(), blobs)
    (path,) = (path for path in blobs.list("manifests") if path.endswith(".json"))
    blobs.held[path] = blobs.held[path][:-1]
    with pytest.raises(ManifestDamaged):
        prune(blobs, clock, really=True)
    assert all(blobs.exists(object_path(digest)) for digest in stored.manifest.objects)


def test_rubbish_in_place_of_a_plan(tmp_path, blobs, clock):
    """A plan that cannot be read removes nothing."""
    forget(archive(tmp_path, "gone", base_weights(), blobs), blobs)
    blobs.put_if_absent(PLAN, [b"{"])
    assert prune(blobs, clock, really=True).removed == {}
    later(clock)
    assert prune(blobs, clock, really=True).removed
