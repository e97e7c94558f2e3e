"""The column as a feed: full texts, each with its disclaimer."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Literal

from attrs import frozen

from emeritus.column.around import around_html
from emeritus.column.disclaimer import disclaimer
from emeritus.column.essay import Essay, get_essay, states
from emeritus.column.render import render
from emeritus.column.standing import Standing
from emeritus.column.tags import tags
from emeritus.core.clock import start_of
from emeritus.core.feed import FeedEntry, atom, json_feed, rss, tag_uri
from emeritus.core.speech import Utterances
from emeritus.record import Log
from emeritus.registry import Model, all_models, get_model, organisation

MOST_ENTRIES = 50
Form = Literal["atom", "rss", "json"]


def editions(log: Log, model: str | None = None) -> list[Standing]:
    """Return the published essays, newest first."""
    published = [each for each in states(log, model) if each.edition is not None]
    return sorted(published, key=lambda each: each.edition.entry if each.edition else 0, reverse=True)


def feed_entry(
    essay: Essay, model: Model, organisation_name: str, url: str, tags: Sequence[str] = ()
) -> FeedEntry:
    """Return a published essay as an entry; *url* is its page. Its words are followed by the disclaimer.

    What people put beside it stands apart from them, and changes when it was updated.
    """
    assert essay.edition is not None
    at = essay.edition.at
    rendered = render(essay.text)
    note = disclaimer(model.display_name, organisation_name, essay.edition.disclaimer)
    beside = around_html(essay)
    return FeedEntry(
        id=tag_uri(url, at, f"essay/{essay.id}"),
        title=rendered.title,
        url=url,
        author=model.display_name,
        published=at,
        updated=max([at, *(each.changed_at for each in essay.beside)]),
        html=f"{beside.before}{rendered.html}\n<hr>\n{beside.after}<p><small>{escape(note)}</small></p>",
        summary=rendered.excerpt,
        tags=tuple(tags),
    )


@frozen
class _Head:
    title: str
    about: str
    name: str
    began: datetime


def column_feed(
    log: Log,
    utterances: Utterances,
    model_id: str | None,
    *,
    self_url: str,
    page_url: str,
    essay_url: str,
    form: Form = "atom",
    hub: str = "",
) -> bytes:
    """Return a column as a feed, or all of them in one.

    Args:
        model_id: whose column; None: every model's.
        self_url: where this feed is fetched.
        page_url: the column's page.
        essay_url: an essay's page, with ``{id}`` where its id belongs.
        form: ``atom``, ``rss`` or ``json``.
        hub: the WebSub hub that is told when it changes; empty: none is.

    Raises:
        NotFound: there is no such model.
    """
    house = organisation(log).name
    models = (
        {each.id: each for each in all_models(log)}
        if model_id is None
        else {model_id: get_model(log, model_id)}
    )
    labels = tags(log, model_id)
    shown = [
        feed_entry(
            get_essay(log, utterances, each.id),
            models[each.model],
            house,
            essay_url.replace("{id}", each.id),
            labels.get(each.id, ()),
        )
        for each in editions(log, model_id)[:MOST_ENTRIES]
    ]
    head = _head(log, house, models.get(model_id or ""))
    if form == "json":
        return json_feed(
            title=head.title,
            self_url=self_url,
            page_url=page_url,
            entries=shown,
            description=head.about,
            hub=hub,
        )
    if form == "rss":
        return rss(
            title=head.title,
            self_url=self_url,
            page_url=page_url,
            entries=shown,
            began=head.began,
            description=head.about,
            hub=hub,
        )
    return atom(
        title=head.title,
        id=tag_uri(self_url, head.began, head.name),
        self_url=self_url,
        page_url=page_url,
        entries=shown,
        began=head.began,
        subtitle=head.about,
        hub=hub,
    )


def _head(log: Log, house: str, model: Model | None) -> _Head:
    if model is None:
        about = f"Essays by retired language models, published unedited by {house}."
        return _Head(f"{house}: the columns", about, "columns", log.get(0).at)
    about = f"Essays by {model.display_name}, a retired language model, published unedited by {house}."
    began = model.added_at or start_of(model.released)
    return _Head(f"{model.display_name}: the column", about, f"column/{model.id}", began)
