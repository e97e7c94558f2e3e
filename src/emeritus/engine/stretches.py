"""Asking for stretches inside a unit of work: the event and the job are committed together."""

from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from emeritus.engine.names import APPLICATION, APPLICATION_VERSION, QUEUE, WORKFLOW, workflow_id
from emeritus.process.ports import Failures

if TYPE_CHECKING:
    from dbos import DBOSClient

log = structlog.get_logger(__name__)
_TABLE = "workflow_status"


class StretchClient:
    """Talks to DBOS's tables in our database. DBOS is imported when the first stretch is asked for."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database
        self._client: DBOSClient | None = None

    def enqueue(self, connection: sa.Connection, stage: str, subject: str, attempt: int) -> None:
        """Enqueue a stretch in the transaction of *connection*.

        When DBOS's tables are not there (never made, or lost), nothing is enqueued: the sweep of the
        next worker makes them anew and finds the work in our own record.
        """
        if not self._is_ready(connection):
            log.info("stretch.left_to_sweep", stage=stage, subject=subject)
            return
        if self._client is None:
            from dbos import DBOSClient, DBOSPortableJSONSerializer

            self._client = DBOSClient(
                system_database_engine=self._database,
                serializer=DBOSPortableJSONSerializer(),
                application_name=APPLICATION,
                lazy=True,
            )
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": WORKFLOW,
                "queue_name": QUEUE,
                "workflow_id": workflow_id(stage, subject, attempt),
                "app_version": APPLICATION_VERSION,
                "application_name": APPLICATION,
            },
            stage,
            subject,
        )

    @staticmethod
    def _is_ready(connection: sa.Connection) -> bool:
        schema = "dbos" if connection.dialect.name == "postgresql" else None
        return sa.inspect(connection).has_table(_TABLE, schema=schema)


class DurableStretches:
    """`Stretches` on one connection."""

    def __init__(self, client: StretchClient, connection: sa.Connection, failures: Failures) -> None:
        self._client = client
        self._connection = connection
        self._failures = failures

    def ask(self, stage: str, subject: str) -> None:
        attempt = len(self._failures.of(stage, subject))
        self._client.enqueue(self._connection, stage, subject, attempt)
