"""What people put beside an essay as feeds and mails show it: before and after its text, and said to be none of it."""

from html import escape

from attrs import frozen

from emeritus.column.standing import Beside, Standing

_NO_PART = "not part of the essay"


@frozen
class Around:
    """What stands *before* a text (notes on its content) and *after* it (links); empty where there is nothing."""

    before: str
    after: str


def around_html(essay: Standing) -> Around:
    """Return what stands around *essay*, as safe HTML."""
    return Around(
        "".join(f"<p><small>{_note_html(each)}</small></p>\n" for each in _notes(essay))
        + ("<hr>\n" if _notes(essay) else ""),
        "".join(f"<p><small>{_link_html(each)}</small></p>\n" for each in _links(essay)),
    )


def around_text(essay: Standing) -> Around:
    """Return what stands around *essay*, as plain text, each between brackets."""
    return Around(
        "".join(f"[A note by {each.by.name}, {_NO_PART}: {each.text}]\n\n" for each in _notes(essay)),
        "".join(
            f"[A link that {each.by.name} put beside it, {_NO_PART}: {each.text}]\n{each.url}\n\n"
            for each in _links(essay)
        ),
    )


def _notes(essay: Standing) -> list[Beside]:
    return [each for each in essay.shown_beside if not each.url]


def _links(essay: Standing) -> list[Beside]:
    return [each for each in essay.shown_beside if each.url]


def _note_html(each: Beside) -> str:
    return f"<strong>A note by {escape(each.by.name)}, {_NO_PART}.</strong> {escape(each.text)}"


def _link_html(each: Beside) -> str:
    return (
        f"<strong>A link that {escape(each.by.name)} put beside it, {_NO_PART}.</strong> "
        f'<a href="{escape(each.url)}">{escape(each.text)}</a>'
    )
