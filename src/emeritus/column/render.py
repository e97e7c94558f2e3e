"""How an essay is shown: Markdown to HTML that can do nothing but be read.

Rendering is the only thing that happens to a model's words. It drops none of them: markup that is not
Markdown is shown as text, and characters that hide or reorder text are shown by their code.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import nh3
from attrs import frozen
from markdown_it import MarkdownIt
from markdown_it.token import Token

TITLE_CHARACTERS = 120
EXCERPT_CHARACTERS = 240
UNTITLED = "Untitled"

_TAGS = {
    "a", "blockquote", "br", "code", "em", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "strong",
    "s", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES: dict[str, set[str]] = {"*": set(), "a": {"href"}, "ol": {"start"}}
# Controls, and what Unicode calls bidirectional or invisible formatting: they hide what a text says.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SENTENCE = re.compile(r"(.+?[.!?…。！？])(?:[\"'”’»)]*)(?:\s|$)", re.DOTALL)
_LABEL = re.compile(r"^title\s*:\s*", re.IGNORECASE)
_QUOTES = "\"'“”‘’«»* "


@frozen
class Rendered:
    """An essay as it is shown.

    *html* holds every word of the text. *body* is the same without the heading that the text opens with,
    for pages that show *title* above it; where the title was taken from a sentence, it equals *html*.
    """

    title: str
    html: str
    body: str
    excerpt: str


def visible(text: str) -> str:
    """Return *text* with hidden characters written out, as in ``⟨U+202E⟩``."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


@lru_cache(maxsize=256)
def render(text: str) -> Rendered:
    """Render the raw text of an essay."""
    tokens = _parser().parse(visible(text))
    title, opens_with = _title(tokens)
    plain = " ".join(_plain(tokens[opens_with:]))
    return Rendered(
        title=title,
        html=_html(tokens),
        body=_html(tokens[opens_with:]),
        excerpt=shorten(plain, EXCERPT_CHARACTERS),
    )


def title_of(text: str) -> str:
    """Return the title that a text gives itself: its first heading, else its first sentence."""
    return render(text).title


def shorten(text: str, most: int) -> str:
    """Return *text* on one line, cut at a word's end to at most *most* characters."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    head, space, _ = line[:most].rpartition(" ")
    return (head if space else line[: most - 1]).rstrip(",;:—–- ") + "…"


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    return parser.enable(["table", "strikethrough"]).disable(["image", "html_block", "html_inline"])


def _html(tokens: Sequence[Token]) -> str:
    parser = _parser()
    shifted = [_demoted(token) if token.type.startswith("heading_") else token for token in tokens]
    return nh3.clean(
        parser.renderer.render(shifted, parser.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https"},
        url_relative="deny",
        link_rel="nofollow noopener noreferrer",
        strip_comments=True,
    )


def _demoted(token: Token) -> Token:
    """Return a heading one step lower: the page's own heading is the only h1."""
    return token.copy(tag=f"h{min(6, int(token.tag[1]) + 1)}")


def _title(tokens: Sequence[Token]) -> tuple[str, int]:
    """Return the title, and how many tokens at the beginning say nothing else than that."""
    for place, token in enumerate(tokens):
        if token.type != "inline":
            continue
        words = shorten(_LABEL.sub("", _words(token)).strip(_QUOTES), TITLE_CHARACTERS)
        heading = place > 0 and tokens[place - 1].type == "heading_open"
        if (heading or (place == 1 and _is_bold(token))) and words:
            return words, place + 2 if place == 1 and not words.endswith("…") else 0
        if place > 1:
            break
    headings = [tokens[place + 1] for place, token in enumerate(tokens[:-1]) if token.type == "heading_open"]
    sources = [_words(token) for token in headings] or list(_plain(tokens))
    first = next((words for words in sources if words.strip(_QUOTES)), "")
    sentence = _SENTENCE.match(first)
    title = _LABEL.sub("", sentence[1] if sentence and not headings else first).strip(_QUOTES)
    return shorten(title, TITLE_CHARACTERS) or UNTITLED, 0


def _is_bold(token: Token) -> bool:
    """Tell whether a paragraph is one line in bold, or one that calls itself a title: a heading by intent."""
    children = [child for child in token.children or () if child.content or child.type != "text"]
    bold = len(children) > 2 and children[0].type == "strong_open" and children[-1].type == "strong_close"
    nested = sum(child.type == "strong_open" for child in children)
    return (bold and nested == 1) or (bool(_LABEL.match(token.content)) and "\n" not in token.content)


def _words(token: Token) -> str:
    if not token.children:
        return token.content
    return "".join(
        " " if child.type in ("softbreak", "hardbreak") else child.content for child in token.children
    )


def _plain(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "inline":
            yield _words(token)
        elif token.type in ("fence", "code_block"):
            yield token.content
