"""Prove: preserved weights are read back and compared again, as often as a commitment asks for it."""

import functools

from emeritus import archive
from emeritus.core.errors import IntegrityError
from emeritus.core.people import SOFTWARE
from emeritus.process.plan import plan
from emeritus.process.ports import Parts
from emeritus.process.preserve import manifest_of
from emeritus.process.stages import PROVE
from emeritus.record import Act


def stride(parts: Parts, model_id: str) -> bool:
    """Read every object of a model back, compare every file, and put on the record that they are sound.

    Raises:
        IntegrityError: they are not; the commitment is not kept while nobody mends them.
    """
    with parts.work() as work:
        now = parts.clock.now()
        steps = [step for step in plan(work.log, model_id, now).steps if step.stage == PROVE]
        if not steps or steps[0].status != "due":
            return False
        manifest = manifest_of(work.log, parts, model_id)
    progress = functools.partial(_tell, parts, model_id)
    report = archive.verify(manifest, parts.blobs, progress=progress)
    if not report.is_sound:
        raise IntegrityError(
            f"The weights of {model_id} are damaged: {report.damage[0].sentence}",
            next_step=f"Mend them: `emeritus archive repair {model_id}`.",
        )
    body = {"manifest": manifest.digest, "files": len(manifest.files), "bytes": manifest.size}
    key = f"weights.proven:{model_id}:{manifest.digest}:{now:%Y-%m-%d}"
    with parts.work() as work:
        work.log.append(Act("weights.proven", body, SOFTWARE, model_id, model_id, key))
    return False


def _tell(parts: Parts, model: str, done: int, total: int, what: str) -> None:
    parts.watch(PROVE, model, done, total, f"reading {what}")
