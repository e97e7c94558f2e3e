"""Keeping: the archive is read again and again, copied elsewhere, and mended; the record tells how it stands."""

import functools
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from attrs import frozen

from emeritus.archive import Blobs, scrub_state
from emeritus.archive.repair import Repaired, repair
from emeritus.archive.replicate import Replicated, replicate
from emeritus.archive.scrub import Named, Pace, scrub
from emeritus.archive.scrub_state import Scrub
from emeritus.core.clock import instant
from emeritus.core.digests import Json, sha256
from emeritus.core.errors import IntegrityError
from emeritus.core.people import SOFTWARE, Actor
from emeritus.process.plan import Step
from emeritus.process.ports import Keeping, Parts, Work
from emeritus.process.stages import REPLICATE, SCRUB
from emeritus.record import Act, Entry, Log
from emeritus.registry import all_models

ARCHIVE = "archive"
"""The subject of what concerns all of the archive."""
STRIDE = timedelta(minutes=2)
_TOLD = 50  # findings that an entry names; the rest is counted


@frozen
class Standing:
    """How the archive stood when it was last read as a whole, and what was done about it since.

    *found* counts what was wrong, *lost* what could not be mended. *entry* is where the record says so.
    """

    read_at: datetime
    found: int
    lost: int
    mended_at: datetime | None
    entry: int

    @property
    def is_sound(self) -> bool:
        """True when nothing was wrong, or all of it was mended since."""
        return not self.found or (self.mended_at is not None and not self.lost)

    def says(self) -> str:
        """Return it in one sentence."""
        read = f"All of the archive was last read and checked on {self.read_at:%Y-%m-%d}"
        if not self.found:
            return f"{read}: it is sound."
        things = f"{self.found} thing{'s' * (self.found != 1)}"
        if self.mended_at is None:
            return f"{read}: {things} had decayed, and nothing is mended yet."
        if self.lost:
            return f"{read}: {things} had decayed, of which {self.lost} could not be mended."
        return f"{read}: {things} had decayed, and all was mended by {self.mended_at:%Y-%m-%d}."


def standing(log: Log) -> Standing | None:
    """Return how the archive stands; None while it was never read as a whole."""
    read = _newest(log, "archive.scrubbed")
    if read is None:
        return None
    mended = _newest(log, "archive.repaired")
    later = mended if mended is not None and mended.seq > read.seq else None
    return Standing(
        read.at,
        read.body["found"],
        later.body["lost_count"] if later else 0,
        later.at if later else None,
        read.seq,
    )


def expected(log: Log) -> list[Named]:
    """Return the manifests that have to be in the archive."""
    return [
        (model.id, model.manifest) for model in all_models(log) if model.manifest and model.erased is None
    ]


def due(work: Work, keeping: Keeping, now: datetime) -> list[Step]:
    """Return what software should be doing for the archive as a whole."""
    steps = []
    begun = _newest(work.log, "archive.scrubbed") or next(
        iter(work.log.entries(kinds={"weights.proven"}, limit=1)), None
    )
    if keeping.every is not None and begun is not None and begun.at + keeping.every <= now:
        steps.append(
            Step(SCRUB, ARCHIVE, "due", "read all of the archive and check it", when=begun.at + keeping.every)
        )
    if any(uncopied(work.log, url) for url in keeping.replicas):
        steps.append(Step(REPLICATE, ARCHIVE, "due", "copy the archive to its replicas"))
    return steps


def scrub_stride(parts: Parts, _subject: str) -> bool:
    """Read some more of the archive; at the end tell the record, and mend. Tell whether more is to do."""
    with parts.work() as work:
        wanted = expected(work.log)
        is_due = any(step.stage == SCRUB for step in due(work, parts.keeping, parts.clock.now()))
    begun = scrub_state.load(parts.blobs)
    if not is_due and not (begun and begun.is_done):  # done, and killed before all of it was written down
        return False
    end = time.monotonic() + STRIDE.total_seconds()
    done = scrub(
        parts.blobs,
        expected=wanted,
        verify=parts.verify,
        pace=Pace(parts.keeping.rate),
        clock=parts.clock,
        enough=lambda: time.monotonic() > end,
        progress=functools.partial(parts.watch, SCRUB, ARCHIVE),
    )
    if not done.is_done:
        return True
    record_scrub(parts, done)
    if done.found:
        mend(parts, wanted, [opened() for opened in parts.keeping.replicas.values()])
    scrub_state.forget(parts.blobs)
    return False


def record_scrub(parts: Parts, done: Scrub, by: Actor = SOFTWARE) -> Entry:
    """Write down what a reading of the whole archive found; doing it again changes nothing."""
    body: dict[str, Json] = {
        "began": done.began,
        "ended": done.ended,
        "manifests": done.manifests,
        "objects": done.objects,
        "parity": done.parity,
        "bytes": done.bytes,
        "decoded": done.decoded,
        "found": done.found,
        "findings": [
            {"path": each.path, "id": each.id, "says": each.sentence, "models": list(each.models)}
            for each in done.findings[:_TOLD]
        ],
    }
    with parts.work() as work:
        return work.log.append(
            Act("archive.scrubbed", body, by, None, ARCHIVE, f"archive.scrubbed:{done.began}")
        )


def mend(
    parts: Parts, wanted: Sequence[Named], replicas: Sequence[Blobs], *, by: Actor = SOFTWARE
) -> Repaired:
    """Mend what the *wanted* models need, from parity or from *replicas*, and tell the record."""
    began = instant(parts.clock.now())
    done = repair(
        parts.blobs,
        wanted=wanted,
        replicas=replicas,
        verify=parts.verify,
        code=parts.keeping.code,
        progress=functools.partial(parts.watch, "repair", ARCHIVE),
    )
    if done.mended or done.lost:
        record_repair(parts, done, began, by)
    return done


def record_repair(parts: Parts, done: Repaired, began: str, by: Actor) -> Entry:
    """Write down what was mended, from what, and what is lost."""
    body: dict[str, Json] = {
        "began": began,
        "mended_count": len(done.mended),
        "sources": dict(Counter(each.source for each in done.mended)),
        "mended": [{"path": each.path, "source": each.source} for each in done.mended[:_TOLD]],
        "lost_count": len(done.lost),
        "lost": [
            {"path": each.path, "id": each.id, "says": each.sentence, "models": list(each.models)}
            for each in done.lost[:_TOLD]
        ],
    }
    with parts.work() as work:
        return work.log.append(Act("archive.repaired", body, by, None, ARCHIVE, None))


def replicate_stride(parts: Parts, _subject: str) -> bool:
    """Copy what replicas lack, one replica a stride; tell whether more is to do."""
    with parts.work() as work:
        lacking = {url: missing for url in parts.keeping.replicas if (missing := uncopied(work.log, url))}
    for url, missing in lacking.items():
        done = copy_to(parts, url, parts.keeping.replicas[url](), missing)
        if not done.is_whole:
            raise IntegrityError(
                f"{len(done.failed)} things were not copied, because they are not sound: {done.failed[0].sentence}",
                next_step="Repair them: `emeritus archive repair --all`; what could be copied is.",
            )
        return len(lacking) > 1
    return False


def copy_to(
    parts: Parts,
    url: str,
    to: Blobs,
    wanted: Sequence[Named],
    *,
    thorough: bool = False,
    pace: Pace | None = None,
    by: Actor = SOFTWARE,
) -> Replicated:
    """Copy the *wanted* models into the replica *to* at *url*, and tell the record which it holds now."""
    done = replicate(
        parts.blobs,
        to,
        wanted=wanted,
        thorough=thorough,
        code=parts.keeping.code,
        pace=pace or Pace(parts.keeping.rate),
        progress=functools.partial(parts.watch, REPLICATE, ARCHIVE),
    )
    lost = {model for finding in done.failed for model in finding.models}
    body: dict[str, Json] = {
        "replica": replica_name(url),
        "manifests": sorted(digest for model, digest in wanted if model not in lost),
        "objects": done.objects_new,
        "bytes": done.bytes,
        "failed": len(done.failed),
    }
    with parts.work() as work:
        if done.objects_new or done.failed or set(wanted) & set(uncopied(work.log, url)):
            work.log.append(Act("archive.replicated", body, by, None, ARCHIVE, None))
        where = url if "://" in url else str(Path(url).resolve())
        work.private.put(place_name(replica_name(url)), {"url": where})
    return done


def place_name(replica: str) -> str:
    """Return the name of the private fact that holds where a replica is, by what the record calls it."""
    return f"replica:{replica}"


def holding(log: Log, manifest: str) -> dict[str, datetime]:
    """Return the replicas that were ever given a manifest, as the record calls them, and when they last were."""
    return {
        str(entry.body["replica"]): entry.at
        for entry in log.entries(kinds={"archive.replicated"})
        if manifest in entry.body["manifests"]
    }


def replica_name(url: str) -> str:
    """Return what the record calls a replica: it does not say where it is."""
    return sha256(url.partition("?")[0].encode()).removeprefix("sha256:")[:16]


def uncopied(log: Log, url: str) -> list[Named]:
    """Return the manifests that the replica at *url* does not hold yet, as far as the record knows."""
    name = replica_name(url)
    there = {
        digest
        for entry in log.entries(kinds={"archive.replicated"})
        if entry.body["replica"] == name
        for digest in entry.body["manifests"]
    }
    return [each for each in expected(log) if each[1] not in there]


def _newest(log: Log, kind: str) -> Entry | None:
    return next(iter(log.entries(kinds={kind}, limit=1, newest_first=True)), None)
