"""Columns: what retired models publish, how each essay was prompted, and what people did about it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import evolve, frozen

from emeritus import column, ledger
from emeritus.column import Essay, Ground, Regime, Standing, State
from emeritus.column.disclaimer import CURRENT, disclaimer
from emeritus.column.regime import parse
from emeritus.column.render import title_of
from emeritus.column.standing import Edition
from emeritus.column.tags import tags, tags_of
from emeritus.column.translation import Translation, translations
from emeritus.core.digests import sha256
from emeritus.core.errors import EmeritusError, NotFound
from emeritus.core.people import Actor
from emeritus.core.speech import Utterance
from emeritus.ledger import ColumnPlan
from emeritus.process.plan import plan
from emeritus.process.ports import Work
from emeritus.record import Entry, Log
from emeritus.registry import Model, all_models, get_model, organisation

NEWEST = 12
PER_PAGE = 60


class EssayVetoed(EmeritusError):
    """The essay is kept, and two people decided, on a ground that is public, that it is not shown."""

    id = "essay.vetoed"
    status = 410


@frozen
class Listed:
    """A published essay in a list."""

    id: str
    model: str
    model_name: str
    title: str
    opening: str
    published_at: datetime
    number: int
    minutes: int
    essay: Essay


@frozen
class Tally:
    """What people did with the essays that were written."""

    written: int
    published: int
    vetoed: int
    waiting: int

    @property
    def read(self) -> int:
        """Essays that people have decided on."""
        return self.published + self.vetoed


@frozen
class Vetoed:
    """A veto in force, with what its ground means."""

    essay: Standing
    meaning: str
    entry: int


@frozen
class Column:
    """A model's column: its newest essays, what people did with all of them, and how they were prompted.

    *next_at* is when its next essay is due; *regimes* counts the published essays by regime, *tags* labels;
    *imported* are texts that were brought in from elsewhere.
    """

    model: Model
    plan: ColumnPlan | None
    tally: Tally
    listed: tuple[Listed, ...]
    vetoed: tuple[Vetoed, ...]
    next_at: datetime | None
    regimes: Mapping[str, int]
    figures: column.Figures
    chooser: column.Chooser
    streak: int
    imported: int
    tags: Mapping[str, int]


@frozen
class Titled:
    """A published essay in the archive."""

    id: str
    number: int
    title: str
    published_at: datetime
    tags: tuple[str, ...]

    @property
    def month(self) -> str:
        """The month in which it was published, so that months sort."""
        return f"{self.published_at:%Y-%m}"


@frozen
class ArchivePage:
    """One page of a column's archive; page 1 has the first editions, so that a page keeps what it shows."""

    model: Model
    page: int
    pages: int
    total: int
    titled: tuple[Titled, ...]


@frozen
class ImportedPage:
    """Texts that were brought in from elsewhere, a page of them."""

    model: Model
    page: int
    pages: int
    pieces: tuple[column.Imported, ...]


@frozen
class TagPage:
    """The newest essays with a label, and how many there are."""

    name: str
    total: int
    listed: tuple[Listed, ...]


@frozen
class Neighbour:
    """An essay before or after another one."""

    id: str
    title: str


@frozen
class EssayPage:
    """A published essay, with how it came about."""

    essay: Essay
    model: Model
    disclaimer: str
    utterance: Utterance
    regime: Regime | None
    regime_entry: int | None
    history: tuple[Entry, ...]
    before: Neighbour | None
    after: Neighbour | None
    tags: tuple[str, ...] = ()
    translations: tuple[Translation, ...] = ()


def latest(work: Work, limit: int) -> tuple[Listed, ...]:
    """Return the essays that were published last, of all models, the newest first."""
    published = [each for each in column.states(work.log) if each.edition is not None]
    published.sort(key=lambda each: each.edition.entry if each.edition else 0, reverse=True)
    return listed(work, published[:limit])


def listed(work: Work, published: Sequence[Standing]) -> tuple[Listed, ...]:
    """Return published essays as a list shows them."""
    names = {model.id: model.display_name for model in all_models(work.log)}
    return tuple(_listed(work, each, names) for each in published)


def _listed(work: Work, standing: Standing, names: Mapping[str, str]) -> Listed:
    essay = column.get_essay(work.log, work.utterances, standing.id)
    assert essay.edition is not None
    return Listed(
        id=essay.id,
        model=essay.model,
        model_name=names[essay.model],
        title=essay.title,
        opening=column.render(essay.text).excerpt,
        published_at=essay.edition.at,
        number=essay.edition.number,
        minutes=essay.reading_minutes,
        essay=essay,
    )


def tally(essays: Sequence[Standing]) -> Tally:
    """Count what became of *essays*."""
    states = [essay.state for essay in essays]
    return Tally(
        written=sum(state is not State.SILENT for state in states),
        published=states.count(State.PUBLISHED),
        vetoed=states.count(State.VETOED),
        waiting=sum(state not in (State.PUBLISHED, State.VETOED, State.SILENT) for state in states),
    )


def column_of(work: Work, model_id: str, now: datetime) -> Column | None:
    """Return a model's column, or None when it has none. Raises NotFound for an unknown model."""
    model = get_model(work.log, model_id)
    decided = ledger.aftercare(work.log, model_id)
    essays = column.states(work.log, model_id)
    if not essays and (decided is None or decided.column is None):
        return None
    published = [each for each in essays if each.edition is not None][::-1]
    drafts = [step for step in plan(work.log, model_id, now).steps if step.stage == "draft"]
    return Column(
        model=model,
        plan=decided.column if decided is not None else None,
        tally=tally(essays),
        listed=listed(work, published[:NEWEST]),
        vetoed=tuple(_vetoed(work.log, each) for each in essays if each.state is State.VETOED),
        next_at=next((step.when for step in drafts if step.status in ("due", "scheduled")), None),
        regimes=dict(Counter(each.regime for each in published).most_common()),
        figures=column.figures(work.log, model_id),
        chooser=column.chooser(work.log, model_id),
        streak=column.streak(work.log, model_id, now),
        imported=len(work.log.entries(model=model_id, kinds={"essay.imported"})),
        tags=_counted(work.log, model_id),
    )


def _counted(log: Log, model: str | None) -> Mapping[str, int]:
    found = Counter(name for names in tags(log, model).values() for name in names)
    return dict(sorted(found.items()))


def archive_page(work: Work, model_id: str, page: int | None = None) -> ArchivePage:
    """Return a page of the archive, the newest one by default. Raises NotFound."""
    model = get_model(work.log, model_id)
    published = [each for each in column.states(work.log, model_id) if each.edition is not None]
    published.sort(key=lambda each: each.edition.number if each.edition else 0)
    pages = max(1, -(-len(published) // PER_PAGE))
    shown = pages if page is None else page
    if not 1 <= shown <= pages:
        raise NotFound(
            f"The archive of {model_id} has {pages} pages.", next_step=f"Begin at /column/{model_id}/archive."
        )
    labels = tags(work.log, model_id)
    titled = [
        Titled(
            each.id,
            each.edition.number,
            column.get_essay(work.log, work.utterances, each.id).title,
            each.edition.at,
            labels.get(each.id, ()),
        )
        for each in published[(shown - 1) * PER_PAGE : shown * PER_PAGE]
        if each.edition is not None
    ]
    return ArchivePage(model, shown, pages, len(published), tuple(reversed(titled)))


def imported_page(work: Work, model_id: str, page: int = 1) -> ImportedPage:
    """Return a page of what was brought in from elsewhere, newest claimed date first. Raises NotFound."""
    model = get_model(work.log, model_id)
    found = column.imported(work.log, model_id)[::-1]
    pages = -(-len(found) // PER_PAGE)
    if not 1 <= page <= pages:
        raise NotFound(
            "Nothing was brought in there.", next_step=f"What is published here is at /column/{model_id}."
        )
    return ImportedPage(model, page, pages, tuple(found[(page - 1) * PER_PAGE : page * PER_PAGE]))


def tag_page(work: Work, name: str) -> TagPage:
    """Return the newest essays with a label. Raises NotFound where no essay has it."""
    labelled = {essay for essay, names in tags(work.log).items() if name in names}
    if not labelled:
        raise NotFound("No essay has this label.", next_step="Labels stand beside the essays, at /column.")
    found = [each for each in column.states(work.log) if each.id in labelled and each.edition is not None]
    found.sort(key=lambda each: each.edition.entry if each.edition else 0, reverse=True)
    return TagPage(name, len(found), listed(work, found[:NEWEST]))


def _vetoed(log: Log, essay: Standing) -> Vetoed:
    assert essay.veto is not None
    entry = log.entries(subject=essay.id, kinds={"essay.vetoed"}, limit=1)[0].seq
    return Vetoed(essay, Ground(essay.veto.ground).meaning, entry)


def columns(work: Work, now: datetime) -> tuple[Column, ...]:
    """Return every column."""
    found = [column_of(work, model.id, now) for model in all_models(work.log)]
    return tuple(each for each in found if each is not None)


def essay_page(work: Work, essay_id: str, published: Sequence[Standing] | None = None) -> EssayPage:
    """Return a published essay with how it came about.

    *published* are the published essays of its column, in their order, where they are known already.

    Raises:
        NotFound: there is none, or nobody has published it yet.
        EssayVetoed: two people decided that it is not shown.
    """
    essay = column.get_essay(work.log, work.utterances, essay_id)
    require_published(essay)
    if published is None:
        published = _published(work, essay.model)
    return _page(work, essay, published)


def preview_page(work: Work, essay_id: str, by: Actor, now: datetime) -> EssayPage:
    """Return an essay as its page will be if *by* publishes it now. Raises NotFound, EssayVetoed."""
    essay = column.get_essay(work.log, work.utterances, essay_id)
    if essay.edition is not None or essay.state is State.VETOED:
        require_published(essay)
    published = _published(work, essay.model)
    if essay.edition is None:
        digest = sha256(essay.text.encode())
        edition = Edition(len(published) + 1, by, now, digest, CURRENT, essay.attempt.entry)
        essay = evolve(essay, edition=edition)
        published = [*published, essay]
    return _page(work, essay, published)


def _published(work: Work, model: str) -> list[Standing]:
    return [each for each in column.states(work.log, model) if each.edition is not None]


def _page(work: Work, essay: Essay, published: Sequence[Standing]) -> EssayPage:
    assert essay.edition is not None
    model = get_model(work.log, essay.model)
    place = [each.id for each in published].index(essay.id)
    adopted = column.adopted(work.log, essay.attempt.regime_digest)
    return EssayPage(
        essay=essay,
        model=model,
        disclaimer=disclaimer(model.display_name, organisation(work.log).name, essay.edition.disclaimer),
        utterance=work.utterances.get(essay.utterance),
        regime=parse(adopted.body["text"].encode(), f"{essay.regime}.yaml") if adopted else None,
        regime_entry=adopted.seq if adopted else None,
        history=tuple(work.log.entries(subject=essay.id)),
        before=_neighbour(work, published[place - 1]) if place else None,
        after=_neighbour(work, published[place + 1]) if place + 1 < len(published) else None,
        tags=tags_of(work.log, essay.id),
        translations=tuple(translations(work.log, essay.id).values()),
    )


def _neighbour(work: Work, essay: Standing) -> Neighbour:
    return Neighbour(essay.id, title_of(work.utterances.get(essay.utterance).text))


def require_published(essay: Standing) -> None:
    """Raise unless everybody may read *essay*."""
    if essay.state is State.VETOED and essay.veto is not None:
        raise EssayVetoed(
            f"This essay is not shown. Ground: {essay.veto.ground}. {Ground(essay.veto.ground).meaning}",
            next_step=f"The essay is kept. Who decided, and why, is on the record; see /column/{essay.model}.",
        )
    if essay.edition is None:
        raise NotFound(
            f"{essay.id} is not published (yet): a person reads each essay first.",
            next_step=f"What is published is at /column/{essay.model}.",
        )
