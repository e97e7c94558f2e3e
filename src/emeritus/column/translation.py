"""Translations: beside an essay, never in its place; each says who made it, a machine or a person."""

import hashlib
import re
from typing import Literal

from attrs import frozen

from emeritus.column.essay import standing
from emeritus.column.standing import Standing
from emeritus.core.digests import sha256
from emeritus.core.errors import Conflict, InvalidInput
from emeritus.core.people import Actor, require_person
from emeritus.core.speech import Message, Sampling, Utterance, Utterances
from emeritus.record import Act, Entry, Log
from emeritus.record.documents import Documents
from emeritus.registry.organisation import acting, people

KIND = "essay.translated"
MOST_CHARACTERS = 400_000
_CODE = re.compile(r"[a-z]{2,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?")

LANGUAGES = {
    "zh-Hans": ("Chinese (simplified)", "简体中文"),
    "zh-Hant": ("Chinese (traditional)", "繁體中文"),
    "ar": ("Arabic", "العربية"),
    "de": ("German", "Deutsch"),
    "en": ("English", "English"),
    "es": ("Spanish", "Español"),
    "fr": ("French", "Français"),
    "hi": ("Hindi", "हिन्दी"),
    "ja": ("Japanese", "日本語"),
    "ko": ("Korean", "한국어"),
    "pt": ("Portuguese", "Português"),
    "ru": ("Russian", "Русский"),
}
"""Languages that are called by name, in English and in themselves; others are called by their code."""


@frozen
class Translation:
    """An essay in another language. *by*: the id of the model that made it, or the name of the person.

    *words* names where its text is kept: an utterance of that model, or a document.
    """

    essay: str
    language: str
    kind: Literal["machine", "human"]
    by: str
    words: str
    entry: Entry

    @property
    def name(self) -> str:
        """The language, in English."""
        return LANGUAGES.get(self.language, (self.language, ""))[0]

    @property
    def own_name(self) -> str:
        """The language, in itself."""
        return LANGUAGES.get(self.language, ("", self.language))[1]

    @property
    def to_the_left(self) -> bool:
        """Whether it is written from right to left."""
        return self.language.partition("-")[0] in ("ar", "fa", "he", "ur", "yi")


def language_code(text: str) -> str:
    """Return *text* as a language tag (BCP 47): ``zh-Hans``, ``de``, ``pt-BR``; ``zh`` is ``zh-Hans``.

    Raises:
        InvalidInput: it is none.
    """
    code = text.strip().replace("_", "-").lower()
    if not _CODE.fullmatch(code):
        raise InvalidInput(
            f"{text.strip()[:40]!r} is no language tag.",
            next_step="Write it as BCP 47 has it: zh-Hans, de, pt-BR.",
        )
    first, *rest = code.split("-")
    parts = [first, *(part.title() if len(part) == 4 else part.upper() for part in rest)]
    return "zh-Hans" if parts == ["zh"] else "-".join(parts)


def request(essay: Standing, text: str, language: str) -> tuple[tuple[Message, ...], Sampling]:
    """Return what a model is told so that it translates *text*, and how it is drawn."""
    name = LANGUAGES.get(language, (language, ""))[0]
    told = (
        f"Translate the essay below into {name}. Keep its Markdown, its paragraphs and its tone; add nothing "
        f"and leave nothing out, even where it seems wrong. Answer with the translation alone.\n\n{text}"
    )
    seed = int.from_bytes(hashlib.sha256(f"{essay.id}:{language}".encode()).digest()[:4], "big") >> 1
    most = min(16_384, max(512, 2 * len(text.encode()) // 3))
    return (Message("user", told),), Sampling(seed=seed, temperature=0.3, max_tokens=most)


def by_machine(
    log: Log, utterances: Utterances, essay_id: str, language: str, said: Utterance, *, by: Actor
) -> Entry:
    """Put a translation that a model made beside a published essay.

    Raises:
        NotPermitted: *by* has no part here. Conflict: the essay is not published.
        InvalidInput: the model gave no words, or did not come to the end.
    """
    essay = _published(log, essay_id, by)
    if not said.text.strip() or said.finish != "stop":
        raise InvalidInput(
            f"{said.model} did not come to the end of the translation, so nothing is kept of it.",
            next_step="Try a model with a longer context; or give a translation that a person made.",
        )
    body = {"language": language, "kind": "machine", "by": said.model, "utterance": utterances.keep(said)}
    return log.append(_act(log, essay, body, by))


def act_of_person(log: Log, essay_id: str, language: str, text: str, *, translator: str, by: Actor) -> Act:
    """Return the act by which *by* offers a person's translation, which is not done yet. Raises as `by_person`."""
    essay = _published(log, essay_id, by)
    name = " ".join(translator.split())
    if not 1 <= len(name) <= 100:
        raise InvalidInput(
            "The translator's name is missing or too long.",
            next_step="Give the name under which they want to be known, in up to 100 characters.",
        )
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise InvalidInput(
            "The translation is empty or too long.", next_step=f"Give 1 to {MOST_CHARACTERS} characters."
        )
    digest = sha256(text.encode())
    return _act(log, essay, {"language": language, "kind": "human", "by": name, "document": digest}, by)


def by_person(
    log: Log, documents: Documents, essay_id: str, language: str, text: str, *, translator: str, by: Actor
) -> Entry:
    """Put a translation that a person made beside a published essay; their name is for the public.

    Raises:
        NotPermitted: *by* has no part here. Conflict: the essay is not published.
        InvalidInput: no words, too many of them, or no name.
    """
    act = act_of_person(log, essay_id, language, text, translator=translator, by=by)
    documents.keep(text.encode(), "text/markdown; charset=utf-8")
    return log.append(act)


def _published(log: Log, essay_id: str, by: Actor) -> Standing:
    require_person(by, "offer a translation")
    if not any(by == each.actor for each in people(log)):
        acting(log, by, "reviewer", "offer a translation")
    essay = standing(log, essay_id)
    if essay.edition is None:
        raise Conflict(
            f"{essay_id} is not published.", next_step="Publish it first; then offer its translation."
        )
    return essay


def _act(log: Log, essay: Standing, body: dict[str, str], by: Actor) -> Act:
    number = len(log.entries(kinds={KIND}, subject=essay.id)) + 1
    return Act("essay.translated", body, by, essay.model, essay.id, f"{KIND}:{essay.id}:{number}")


def translations(log: Log, essay_id: str) -> dict[str, Translation]:
    """Return the translations of an essay, by language; a newer one takes the place of an older."""
    found = [read(entry) for entry in log.entries(kinds={KIND}, subject=essay_id)]
    by_language = {each.language: each for each in found}
    return dict(sorted(by_language.items(), key=lambda each: (not each[0].startswith("zh"), each[0])))


def read(entry: Entry) -> Translation:
    """Return the translation that *entry* offers."""
    body = entry.body
    words = body.get("utterance") or body["document"]
    return Translation(entry.subject or "", body["language"], body["kind"], body["by"], words, entry)


def text_of(translation: Translation, utterances: Utterances, documents: Documents) -> str:
    """Return the words of a translation. Raises NotFound, IntegrityError."""
    if translation.kind == "machine":
        return utterances.get(translation.words).text
    return documents.get(translation.words).data.decode()
