"""The archive is read, copied and mended by software itself, and the record tells how it stands."""

from datetime import timedelta

import pytest
from attrs import evolve
from tests.process.conftest import MODEL, Retirement

from emeritus.archive import MemoryBlobs, StoreFailed, held, scrub_state
from emeritus.archive.manifest import manifest_path
from emeritus.archive.parity_copy import copy_path
from emeritus.process.keeping import standing, uncopied
from emeritus.process.ports import Keeping
from emeritus.process.stretch import STRIDES, due
from emeritus.registry import get_model

MONTH = timedelta(days=31)


@pytest.fixture
def kept(retirement: Retirement) -> Retirement:
    """A retirement whose weights are in the archive, and proven."""
    retirement.register()
    retirement.announce()
    retirement.software()
    return retirement


def run(kept: Retirement) -> list[str]:
    """Do what is due for the archive as a whole."""
    done = []
    for _ in range(20):
        with kept.work() as work:
            steps = [
                step for step in due(work, kept.clock.now(), kept.parts.keeping) if step.subject == "archive"
            ]
        if not steps:
            return done
        while STRIDES[steps[0].stage](kept.parts, "archive"):
            pass
        done.append(steps[0].stage)
    raise AssertionError(done)


def entries(kept: Retirement, kind: str) -> list:
    with kept.work() as work:
        return work.log.entries(kinds={kind})


def stands(kept: Retirement):
    with kept.work() as work:
        return standing(work.log)


def with_replica(kept: Retirement, replica, url: str = "s3://elsewhere?keys=X") -> None:
    kept.parts = evolve(kept.parts, keeping=Keeping(replicas={url: lambda: replica}))


def spoil(kept: Retirement, path: str) -> None:
    data = kept.parts.blobs.held[path]
    kept.parts.blobs.held[path] = data[:-1] + bytes([data[-1] ^ 1])


def an_object(kept: Retirement) -> str:
    return next(path for path in kept.parts.blobs.held if path.startswith("objects/"))


def test_all_is_read_when_it_is_due_and_not_before(kept):
    """First so long after something was preserved, then so long after the last time."""
    assert run(kept) == []
    assert stands(kept) is None
    kept.clock.advance(MONTH)
    assert run(kept) == ["scrub"]
    assert run(kept) == []
    (entry,) = entries(kept, "archive.scrubbed")
    assert entry.body["found"] == 0
    assert entry.body["manifests"] == 1
    assert stands(kept).is_sound
    assert "it is sound" in stands(kept).says()
    kept.clock.advance(MONTH)
    assert run(kept) == ["scrub"]
    assert len(entries(kept, "archive.scrubbed")) == 2


def test_a_house_that_reads_only_when_asked(kept):
    kept.parts = evolve(kept.parts, keeping=Keeping(every=None))
    kept.clock.advance(20 * MONTH)
    assert run(kept) == []


def test_decay_is_found_mended_and_told(kept):
    """A replica is there: what is found is mended at once, and both stand on the record, in this order."""
    replica = MemoryBlobs()
    with_replica(kept, replica)
    assert run(kept) == ["replicate"]
    spoil(kept, an_object(kept))
    kept.clock.advance(MONTH)
    assert run(kept) == ["scrub"]
    (read,) = entries(kept, "archive.scrubbed")
    (mended,) = entries(kept, "archive.repaired")
    assert read.seq < mended.seq
    assert [each["path"] for each in read.body["findings"]] == [an_object(kept)]
    assert read.body["findings"][0]["models"] == [MODEL]
    assert mended.body["sources"] == {"replica": 1}
    assert mended.body["lost_count"] == 0
    assert stands(kept).is_sound
    assert "all was mended" in stands(kept).says()


def test_what_is_lost_is_told(kept):
    """No parity, no replica: the record says what is lost, and whose it was."""
    spoil(kept, an_object(kept))
    kept.clock.advance(MONTH)
    assert run(kept) == ["scrub"]
    (entry,) = entries(kept, "archive.repaired")
    assert entry.body["lost_count"] == 1
    assert entry.body["lost"][0]["models"] == [MODEL]
    assert not stands(kept).is_sound
    assert "1 could not be mended" in stands(kept).says()


def test_a_manifest_that_is_gone_is_missed(kept):
    """The record knows which have to be there; the store's own copy brings it back."""
    with kept.work() as work:
        digest = get_model(work.log, MODEL).manifest
    del kept.parts.blobs.held[manifest_path(MODEL, digest)]
    kept.clock.advance(MONTH)
    run(kept)
    assert entries(kept, "archive.scrubbed")[0].body["findings"][0]["id"] == "archive.manifest_missing"
    assert list(held(kept.parts.blobs)) == [(MODEL, digest)]
    assert stands(kept).is_sound


@pytest.mark.parametrize("moment", ["before the entry", "after the entry", "in the middle of mending"])
def test_killed_at_the_end_of_a_scrub(kept, moment, monkeypatch):
    """However it ends, the next stride writes down the same reading once, and mends the rest."""
    from emeritus.process import keeping

    spoil(kept, an_object(kept))
    replica = MemoryBlobs()
    with_replica(kept, replica)
    spoiled = kept.parts.blobs.held[an_object(kept)]
    kept.parts.blobs.held[an_object(kept)] = spoiled[:-1] + bytes([spoiled[-1] ^ 1])
    run(kept)
    kept.parts.blobs.held[an_object(kept)] = spoiled
    kept.clock.advance(MONTH)

    class Killed(BaseException):
        pass

    def killed(*args, **options):
        raise Killed

    name = "record_scrub" if moment == "before the entry" else "repair"
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "mend" if moment == "after the entry" else name, killed)
        with pytest.raises(Killed):
            STRIDES["scrub"](kept.parts, "archive")
    kept.clock.advance(timedelta(hours=1))
    assert not STRIDES["scrub"](kept.parts, "archive")
    assert len(entries(kept, "archive.scrubbed")) == 1
    assert len(entries(kept, "archive.repaired")) == 1
    assert stands(kept).is_sound
    assert scrub_state.load(kept.parts.blobs) is None


def test_a_replica_is_filled_and_kept_up(kept):
    """Each preserved model is copied once; the record does not tell where to."""
    replica = MemoryBlobs()
    with_replica(kept, replica, "s3://secret-bucket/prefix?keys=X")
    assert run(kept) == ["replicate"]
    assert run(kept) == []
    assert {path for path in replica.held if path.startswith(("objects", "manifests"))} == {
        path for path in kept.parts.blobs.held if path.startswith(("objects", "manifests"))
    }
    (entry,) = entries(kept, "archive.replicated")
    assert "secret" not in entry.data.decode()
    with kept.work() as work:
        assert uncopied(work.log, "s3://secret-bucket/prefix?keys=Y") == []
        assert len(uncopied(work.log, "s3://another")) == 1


def test_a_replica_out_of_reach(kept):
    """It is a failure of that stretch, to be tried again; nothing else waits for it."""

    def away():
        raise StoreFailed("Nobody answers.", next_step="Wait.")

    kept.parts = evolve(kept.parts, keeping=Keeping(replicas={"s3://away": away}))
    with pytest.raises(StoreFailed):
        STRIDES["replicate"](kept.parts, "archive")
    assert entries(kept, "archive.replicated") == []


def test_a_damaged_source_is_not_copied(kept):
    from emeritus.core.errors import IntegrityError

    replica = MemoryBlobs()
    with_replica(kept, replica)
    spoil(kept, an_object(kept))
    with pytest.raises(IntegrityError, match="not copied"):
        STRIDES["replicate"](kept.parts, "archive")
    assert list(held(replica)) == []
    assert entries(kept, "archive.replicated")[0].body["manifests"] == []


def test_copies_of_manifests_lie_in_the_store(kept):
    with kept.work() as work:
        digest = get_model(work.log, MODEL).manifest
    assert copy_path(manifest_path(MODEL, digest)) in kept.parts.blobs.held
