"""What DBOS is told about us. All of it is pinned: what changes here strands work that is under way."""

import sqlalchemy as sa

APPLICATION = "emeritus"
APPLICATION_VERSION = "1"  # not a release: the default would be a hash, and older work would stay PENDING
QUEUE = "stretches"
WORKFLOW = "stretch"


def workflow_id(stage: str, subject: str, attempt: int) -> str:
    """Return the id of one try at a stretch: the same work always has the same id, so it runs once."""
    return f"{stage}:{subject}:{attempt}"


def system_url(database: sa.Engine) -> str:
    """Return the URL of the database that DBOS shares with us."""
    return database.url.set(drivername=database.url.get_backend_name()).render_as_string(hide_password=False)
