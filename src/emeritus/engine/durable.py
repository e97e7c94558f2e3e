"""The worker: runs stretches with DBOS, sweeps up what is due, and takes over from workers that died.

Our own record says what is due; DBOS only runs it. So all of DBOS's tables can be lost: the next sweep
asks for whatever is due again, and every stride goes on where the record says that it was.
"""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from emeritus.core.errors import Unavailable
from emeritus.engine.names import APPLICATION, APPLICATION_VERSION, QUEUE, WORKFLOW, system_url, workflow_id
from emeritus.process.joining import end_unseen_logins
from emeritus.process.plan import Step
from emeritus.process.ports import Parts, Work
from emeritus.process.reach import answer_applications
from emeritus.process.stretch import STRIDES, due, note_failure

log = structlog.get_logger(__name__)

HEARTBEAT = timedelta(seconds=5)
DEAD_AFTER = timedelta(seconds=30)
_RUNNING = ["PENDING", "ENQUEUED", "DELAYED"]
_ATTEMPTS = 3


def prepare(database: sa.Engine) -> None:
    """Make or upgrade DBOS's own tables in *database*."""
    DBOS.migrate(system_url(database))


def _is_passing(why: BaseException) -> bool:
    return isinstance(why, Unavailable)


class Workers(Protocol):
    """Where workers sign in, so that the others know who is alive. Times are the machine's."""

    def beat(self, executor: str, at: datetime) -> None: ...
    def leave(self, executor: str) -> None: ...
    def seen_since(self, moment: datetime) -> set[str]: ...


class Engine:
    """One worker in this process. DBOS allows one at a time.

    Args:
        parts: what the strides are given.
        database: the database that holds the record; DBOS keeps its tables beside ours.
        sweep_every: seconds between looks at what is due.
        workers: where workers sign in.
        failure_count: tells how often a stretch has failed since it was last cleared.
        on_failure: told of each stretch that gave up.
    """

    def __init__(
        self,
        parts: Parts,
        database: sa.Engine,
        *,
        workers: Workers,
        failure_count: Callable[[str, str], int],
        sweep_every: float = 30.0,
        on_failure: Callable[[str, str, Exception], None] = lambda *_: None,
    ) -> None:
        self._parts = parts
        self._database = database
        self._workers = workers
        self._failure_count = failure_count
        self._sweep_every = sweep_every
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._nudged = threading.Event()
        self._threads: list[threading.Thread] = []
        self._workflow: Callable[[str, str], str] = self._stretch
        # Two executors of one name run a step twice at the same time, so each process has its own.
        self.executor = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"

    def start(self) -> None:
        """Launch: recover, sweep once, and go on in the background."""
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": system_url(self._database),
            "application_version": APPLICATION_VERSION,
            "executor_id": self.executor,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
            "notification_listener_polling_interval_sec": 0.2,
        }
        DBOS(config=config)

        @DBOS.workflow(name=WORKFLOW)
        def stretch(stage: str, subject: str) -> str:
            return self._stretch(stage, subject)

        self._workflow = stretch
        self._beat()
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=2, polling_interval_sec=0.2)
        self.sweep()
        for name, loop in (("heartbeat", self._beating), ("sweep", self._sweeping)):
            thread = threading.Thread(target=loop, name=f"emeritus-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self, grace_seconds: int = 10) -> None:
        """Stop taking work, and wait at most *grace_seconds* for what is under way."""
        self._stopping.set()
        self._nudged.set()
        for thread in self._threads:
            thread.join(timeout=grace_seconds)
        # A stride that outlives the grace is done again by the next worker; DBOS need not shout about it.
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS.destroy(workflow_completion_timeout_sec=grace_seconds, destroy_registry=True)
        self._workers.leave(self.executor)

    def nudge(self) -> None:
        """Have the background look at what is due now, not only at the next turn."""
        self._nudged.set()

    def _beating(self) -> None:
        while not self._stopping.wait(HEARTBEAT.total_seconds()):
            with _survived("heartbeat"):
                self._beat()

    def _sweeping(self) -> None:
        while not self._stopping.is_set():
            self._nudged.wait(self._sweep_every)
            self._nudged.clear()
            with _survived("sweep"):
                self.sweep()

    def _beat(self) -> None:
        self._workers.beat(self.executor, datetime.now(UTC))

    # -- running ------------------------------------------------------------

    def _stretch(self, stage: str, subject: str) -> str:
        stride = STRIDES[stage]
        options = {
            "name": stage,
            "retries_allowed": True,
            "max_attempts": _ATTEMPTS,
            "interval_seconds": 0.5,
            "should_retry": _is_passing,
        }
        try:
            while DBOS.run_step(options, stride, self._parts, subject):  # type: ignore[call-overload]
                if self._stopping.is_set():
                    return "stopped"  # it is still due, so the next worker goes on with it
        except Exception as why:  # noqa: BLE001  (whatever it is, people have to see it)
            if self._stopping.is_set():
                return "stopped"
            cause = _last_cause(why)
            log.warning("stretch.failed", stage=stage, subject=subject, error=str(cause))
            note_failure(self._parts, stage, subject, cause)
            self._on_failure(stage, subject, cause)
            return "failed"
        if self._failure_count(stage, subject):
            with self._parts.work() as work:
                work.failures.clear(stage, subject)
        log.info("stretch.done", stage=stage, subject=subject)
        self._nudged.set()  # what comes next is not asked for in here: DBOS would make it a child
        return "done"

    # -- sweeping -----------------------------------------------------------

    def sweep(self) -> int:
        """Start whatever is due and not running; return how many stretches are due."""
        if self._stopping.is_set():
            return 0
        self._take_over()
        answer_applications(self._parts)
        end_unseen_logins(self._parts)
        with self._parts.work() as work:
            steps = self._due(work)
        for step in steps:
            self._ask(step.stage, step.subject)
        return len(steps)

    def _due(self, work: Work) -> list[Step]:
        parts = self._parts
        return due(work, parts.clock.now(), parts.keeping, mailing=parts.postman is not None)

    def _ask(self, stage: str, subject: str) -> None:
        name = workflow_id(stage, subject, self._failure_count(stage, subject))
        standing = DBOS.get_workflow_status(name)
        if standing is not None:
            if standing.status in _RUNNING:
                return
            # It ended, and yet the record says that it is due: what it did was undone, or never was.
            DBOS.delete_workflow(name)
        with SetWorkflowID(name):
            DBOS.enqueue_workflow(QUEUE, self._workflow, stage, subject)

    def _take_over(self) -> None:
        alive = self._workers.seen_since(datetime.now(UTC) - DEAD_AFTER)
        for job in DBOS.list_workflows(status="PENDING", load_input=False, load_output=False):
            if job.executor_id not in alive or _is_dead_here(job.executor_id or ""):
                log.warning("stretch.taken_over", workflow=job.workflow_id, left_by=job.executor_id)
                DBOS.resume_workflow(job.workflow_id, queue_name=QUEUE)

    def is_idle(self) -> bool:
        """Tell whether nothing is due and nothing is running."""
        with self._parts.work() as work:
            if self._due(work):
                return False
        return not DBOS.list_workflows(status=_RUNNING, load_input=False, load_output=False)


@contextmanager
def _survived(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("worker.background_failed", what=what)


def _last_cause(why: Exception) -> Exception:
    errors = getattr(why, "errors", None)  # DBOS wraps what the last of its retries met
    return errors[-1] if errors else why


def _is_dead_here(executor: str) -> bool:
    """Tell whether *executor* was a process of this machine that is gone, without waiting for silence."""
    host, _, rest = executor.partition("/")
    pid, _, _ = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
