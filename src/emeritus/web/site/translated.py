"""What the page of a translation shows: the words, who made them, and what they are a translation of."""

from datetime import datetime

from attrs import frozen

from emeritus import column
from emeritus.column import Essay
from emeritus.column.disclaimer import disclaimer
from emeritus.column.translation import Translation, read, text_of, translations
from emeritus.core.errors import NotFound
from emeritus.process.ports import Work
from emeritus.record import Act, Entry
from emeritus.registry import Model, get_model, organisation
from emeritus.web.site.column import require_published


@frozen
class TranslationPage:
    """A translation, with what it is a translation of."""

    essay: Essay
    model: Model
    translation: Translation
    text: str
    translator: str
    disclaimer: str


def translation_page(work: Work, essay_id: str, language: str) -> TranslationPage:
    """Return an essay in another language. Raises NotFound, EssayVetoed."""
    essay = column.get_essay(work.log, work.utterances, essay_id)
    require_published(essay)
    found = translations(work.log, essay_id).get(language)
    if found is None:
        raise NotFound(
            "This essay is not offered in that language.",
            next_step=f"The original: /column/essays/{essay_id}.",
        )
    return _translated(work, essay, found, text_of(found, work.utterances, work.documents))


def translation_preview(work: Work, offered: Act, text: str, now: datetime) -> TranslationPage:
    """Return the page of a translation as it will be once it is *offered*. Raises NotFound, EssayVetoed."""
    essay = column.get_essay(work.log, work.utterances, offered.subject or "")
    require_published(essay)
    return _translated(work, essay, read(Entry.of(offered, work.log.size(), now)), text)


def _translated(work: Work, essay: Essay, found: Translation, text: str) -> TranslationPage:
    assert essay.edition is not None
    model = get_model(work.log, essay.model)
    by = get_model(work.log, found.by).display_name if found.kind == "machine" else found.by
    note = disclaimer(model.display_name, organisation(work.log).name, essay.edition.disclaimer)
    return TranslationPage(essay, model, found, text, by, note)
