"""Editions by mail: what a person published is put into the outbox, once for each reader of its column."""

from urllib.parse import urlsplit

from emeritus import column
from emeritus.column.letter import edition_letter, list_headers
from emeritus.process.ports import Letter, Work
from emeritus.process.subscribe import link_token
from emeritus.record import Entry
from emeritus.registry import get_model, organisation

AT_ONCE = 500
_KIND = "essay.published"


def waiting(work: Work) -> Entry | None:
    """Return the publication that is to be mailed next, or is being mailed."""
    entry, reader = work.subscribers.spread_to()
    if entry >= 0 and reader:
        return work.log.get(entry)
    return next(iter(work.log.entries(kinds={_KIND}, begin=entry + 1, limit=1)), None)


def spread(work: Work, site_url: str) -> bool:
    """Put the next letters of the edition that is being mailed into the outbox; tell whether there was any work.

    It is one transaction with the note of how far that went, and each letter has a key of its own, so a reader
    gets each edition once, whatever stops a worker. Readers who confirmed after publication get the next one.
    """
    published = waiting(work)
    if published is None:
        return False
    before, reached = work.subscribers.spread_to()
    after = reached if before == published.seq else ""
    model = get_model(work.log, published.model or "")
    readers = work.subscribers.readers(model.id, published.at, after, AT_ONCE)
    if readers:
        essay = column.get_essay(work.log, work.utterances, published.subject or "")
        page = f"{site_url}/column/essays/{essay.id}"
        leave_at = f"{site_url}/column/leave/"
        made = edition_letter(essay, model, organisation(work.log).name, page=page, leave_at=leave_at)
        headers = list_headers(
            model,
            urlsplit(site_url).hostname or "localhost",
            page=f"{site_url}/column/{model.id}",
            leave=f"{leave_at}{made.leave}",
        )
        work.post.send_all(
            Letter(
                f"subscriber:{reader.id}:edition:{essay.id}",
                reader.address,
                made.subject,
                made.text,
                made.html,
                "edition",
                headers,
                {made.leave: link_token(work.subscribers, reader.id, "leave")},
            )
            for reader in readers
        )
    done = len(readers) < AT_ONCE
    work.subscribers.spread(published.seq, "" if done else readers[-1].id)
    return True
