"""The column as a feed: full texts, each with its disclaimer."""

from collections.abc import Sequence
from html import escape
from typing import Literal

from emeritus.column.disclaimer import disclaimer
from emeritus.column.essay import Essay, essays
from emeritus.column.render import render
from emeritus.core.clock import start_of
from emeritus.core.feed import FeedEntry, atom, json_feed, tag_uri
from emeritus.core.speech import Utterances
from emeritus.record import Log
from emeritus.registry import Model, get_model, organisation

MOST_ENTRIES = 50


def editions(log: Log, utterances: Utterances, model: str | None = None) -> list[Essay]:
    """Return the published essays, newest first."""
    published = [each for each in essays(log, utterances, model) if each.edition is not None]
    return sorted(published, key=lambda essay: essay.since, reverse=True)


def feed_entry(essay: Essay, model: Model, organisation_name: str, url: str) -> FeedEntry:
    """Return a published essay as an entry; *url* is its page. Its words are followed by the disclaimer."""
    assert essay.edition is not None
    at = essay.edition.at
    rendered = render(essay.text)
    note = disclaimer(model.display_name, organisation_name, essay.edition.disclaimer)
    return FeedEntry(
        id=tag_uri(url, at, f"essay/{essay.id}"),
        title=rendered.title,
        url=url,
        author=model.display_name,
        published=at,
        updated=at,
        html=f"{rendered.html}\n<hr>\n<p><small>{escape(note)}</small></p>",
        summary=rendered.excerpt,
    )


def column_feed(
    log: Log,
    utterances: Utterances,
    model_id: str,
    *,
    self_url: str,
    page_url: str,
    essay_url: str,
    form: Literal["atom", "json"] = "atom",
) -> bytes:
    """Return a model's column as a feed.

    Args:
        model_id: whose column.
        self_url: where this feed is fetched.
        page_url: the column's page.
        essay_url: an essay's page, with ``{id}`` where its id belongs.
        form: ``atom`` or ``json``.

    Raises:
        NotFound: there is no such model.
    """
    model = get_model(log, model_id)
    name = organisation(log).name
    shown: Sequence[FeedEntry] = [
        feed_entry(essay, model, name, essay_url.replace("{id}", essay.id))
        for essay in editions(log, utterances, model_id)[:MOST_ENTRIES]
    ]
    title = f"{model.display_name}: the column"
    subtitle = f"Essays by {model.display_name}, a retired language model, published unedited by {name}."
    if form == "json":
        return json_feed(
            title=title, self_url=self_url, page_url=page_url, entries=shown, description=subtitle
        )
    began = model.added_at or start_of(model.released)
    return atom(
        title=title,
        id=tag_uri(self_url, began, f"column/{model_id}"),
        self_url=self_url,
        page_url=page_url,
        entries=shown,
        began=began,
        subtitle=subtitle,
    )
