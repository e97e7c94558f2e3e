"""An edition as a letter: every word of it, in plain text and in HTML that any mail program can show."""

from html import escape

import css_inline
from attrs import frozen

from emeritus.column.around import around_html, around_text
from emeritus.column.disclaimer import disclaimer
from emeritus.column.essay import Essay
from emeritus.column.render import render, shorten, visible
from emeritus.core.digests import sha256
from emeritus.registry import Model

MOST_CHARACTERS = 90_000
"""Longer letters are cut off by mail programs, so they bring the opening and a link instead."""

_STYLE = """
body { margin: 0; padding: 0; background: #fbf9f4; color: #211d18; }
.sheet { max-width: 36em; margin: 0 auto; padding: 2em 1.2em; font: 17px/1.65 Palatino, "Book Antiqua", Georgia, serif; }
.kicker, .small { font: 13px/1.6 "Helvetica Neue", Arial, sans-serif; color: #5d554a; }
h1 { font-size: 28px; line-height: 1.2; font-weight: 400; margin: .4em 0 .3em; }
h2, h3, h4, h5, h6 { font-size: 19px; font-weight: 400; margin: 1.6em 0 .5em; }
p { margin: 0 0 1em; }
blockquote { margin: 0 0 1em; padding-left: 1em; border-left: 2px solid #6d2431; font-style: italic; }
pre { white-space: pre-wrap; font: 14px/1.5 monospace; background: #f3efe6; padding: .8em; }
a { color: #6d2431; }
.note { border-top: 1px solid #ddd5c5; border-bottom: 1px solid #ddd5c5; padding: 1em 0; margin: 2.2em 0 1.2em; }
table { border-collapse: collapse; } td, th { border-bottom: 1px solid #ddd5c5; padding: .4em .8em .4em 0; text-align: left; }
"""
_INLINER = css_inline.CSSInliner(keep_style_tags=False, load_remote_stylesheets=False)


@frozen
class EditionLetter:
    """What every reader of an edition gets. *leave* stands where each reader's own link to leave belongs."""

    subject: str
    text: str
    html: str
    leave: str


def edition_letter(
    essay: Essay, model: Model, organisation: str, *, page: str, leave_at: str
) -> EditionLetter:
    """Write a published essay as a letter.

    Args:
        essay: with an edition.
        model: who wrote it.
        organisation: by its display name.
        page: the essay's address.
        leave_at: where readers leave; a token is added to it.
    """
    assert essay.edition is not None
    rendered = render(essay.text)
    note = disclaimer(model.display_name, organisation, essay.edition.disclaimer)
    # Made from the text's own digest, which the text cannot contain: nothing in it is taken for the link.
    place = f"EMERITUS-{sha256(essay.text.encode())[-32:]}"
    leave = f"{leave_at}{place}"
    when = f"{essay.edition.at.day} {essay.edition.at:%B %Y}"
    by = f"{model.display_name}, No. {essay.edition.number}, {when}"
    long = len(rendered.html) > MOST_CHARACTERS or len(essay.text) > MOST_CHARACTERS
    too_long = "This essay is too long for a letter. It begins:"
    words = f"{too_long}\n\n{rendered.excerpt}" if long else visible(essay.text).strip("\n")
    body = f"<p><em>{too_long}</em></p>\n<p>{escape(rendered.excerpt)}</p>" if long else rendered.body
    in_text, in_html = around_text(essay), around_html(essay)
    why = f"You get this because you asked {organisation} for it, and confirmed."
    text = (
        f"{by}\n{page}\n\n{in_text.before}{words}\n\n{in_text.after}-- \n{note}\n\nRead it on the site: {page}\n"
        f"How it was prompted: {page}/prompt\n\n{why}\nLeave: {leave}\n"
    )
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(rendered.title)}</title><style>{_STYLE}</style></head>
<body><div class="sheet">
<p class="kicker">{escape(by)}</p>
<h1>{escape(rendered.title)}</h1>
{in_html.before}<div dir="auto">{body}</div>
{"<hr>" if in_html.after else ""}{in_html.after}<p class="small note">{escape(note)}</p>
<p class="small"><a href="{escape(page)}">Read it on the site</a> · <a href="{escape(page)}/prompt">How it was prompted</a></p>
<p class="small">{escape(why)} <a href="{escape(leave)}">Leave</a></p>
</div></body></html>"""
    return EditionLetter(shorten(rendered.title, 120), text, _INLINER.inline(html), place)


def list_headers(model: Model, domain: str, *, page: str, leave: str) -> dict[str, str]:
    """Return the headers of a mailing list (RFC 2919, 2369) that is left with one click (RFC 8058)."""
    name = " ".join(model.display_name.split()).replace('"', "'")
    return {
        "List-Id": f'"{name}" <{model.id}.column.{domain}>',
        "List-Archive": f"<{page}>",
        "List-Post": "NO",
        "List-Unsubscribe": f"<{leave}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
