"""Filters of the templates: how words, times, people and numbers are written on a page."""

import re
import unicodedata
from datetime import UTC, date, datetime

from markupsafe import Markup, escape

from emeritus.core.people import Actor
from emeritus.ledger import Budget

LONGEST = 6000  # characters of one text on a page; the whole of it is a link away

# What HTML cannot carry (controls, noncharacters), and what would turn the text round it about (bidi).
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | end) for plane in range(1, 17) for end in (0xFFFE, 0xFFFF))
    + "\ud800-\udfff]"
)


_HEADING = re.compile(r"<(?P<end>/?)h(?P<level>[1-6])>")


def words(text: str, limit: int = LONGEST) -> Markup:
    """Return *text* as it was written, for a page: escaped, what cannot be seen made visible, cut at *limit*."""
    kept = text.replace("\r\n", "\n").replace("\r", "\n")
    cut = len(kept) > limit
    if cut:
        kept = kept[:limit]
    pieces: list[Markup] = []
    end = 0
    for found in _UNSEEN.finditer(kept):
        pieces += [escape(kept[end : found.start()]), _seen(found[0])]
        end = found.end()
    pieces.append(escape(kept[end:]))
    if cut:
        left = f"{len(text) - limit:,}".replace(",", "\u202f")
        pieces.append(
            Markup('<span class="cut">… cut here for the page; {} characters more</span>').format(left)
        )
    return Markup("").join(pieces)


def _seen(character: str) -> Markup:
    code = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "control character")
    return Markup('<span class="unseen" title="{} {}">{}</span>').format(code, name.lower(), code)


def longer(text: str, limit: int = LONGEST) -> bool:
    """Tell whether `words` cuts *text*."""
    return len(text) > limit


def day(when: date | datetime) -> Markup:
    """Write a day: 5 January 2026, in a ``time`` element."""
    if isinstance(when, datetime):
        when = when.astimezone(UTC).date()
    shown = f"{when.day}\u00a0{when:%B}\u00a0{when.year}"
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(), shown)


def month(when: datetime) -> str:
    """Write a month: January 2026."""
    return f"{when.astimezone(UTC):%B %Y}"


def iso(when: datetime) -> str:
    """Write a moment for machines, to the second."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def moment(when: datetime) -> Markup:
    """Write a moment to the minute, in UTC, in a ``time`` element that has it to the second."""
    at = when.astimezone(UTC)
    shown = f"{at.day}\u00a0{at:%B}\u00a0{at.year}, {at:%H:%M}\u00a0UTC"
    return Markup('<time datetime="{}">{}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", shown)


def who(actor: Actor) -> Markup:
    """Write who acted; a script that stands in for a person is always called that."""
    name = words(actor.name, 80)
    match actor.kind:
        case "script":
            return Markup('<bdi>{}</bdi> <span class="script">(script)</span>').format(name)
        case "software":
            return Markup("the software")
        case "model":
            return Markup("the model <bdi>{}</bdi>").format(name)
    return Markup("<bdi>{}</bdi>").format(name)


def by(actor: str) -> Markup:
    """Write who acted, from the form in which it stands on the record."""
    return who(Actor.parse(actor))


def number(value: int) -> str:
    """Write a whole number with thin spaces between the thousands."""
    return f"{value:,}".replace(",", "\u202f")


def amount(value: float) -> str:
    """Write an amount without needless decimals."""
    return number(int(value)) if value == int(value) else f"{value:,.2f}".replace(",", "\u202f")


def size(value: int) -> str:
    """Write a number of bytes in the largest unit that leaves it above one."""
    scaled, units = float(value), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while scaled >= 1000 and len(units) > 1:
        scaled, units = scaled / 1000, units[1:]
    return f"{value}\u00a0bytes" if units[0] == "bytes" else f"{scaled:.1f}\u00a0{units[0]}"


def count(value: int, one: str, many: str = "") -> str:
    """Write a number with its noun: ``1 model``, ``no models``, ``12 models``."""
    noun = one if value == 1 else many or one + "s"
    names = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return f"{names[value] if 0 <= value < len(names) else number(value)} {noun}"


def first_upper(text: str) -> str:
    """Begin a sentence with a capital letter."""
    return text[:1].upper() + text[1:]


def flowing(text: str, limit: int = LONGEST) -> Markup:
    """Write a text that was broken into lines for an editor as paragraphs; the words stay the same."""
    parts = [" ".join(part.split()) for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n"))]
    return Markup("").join(Markup("<p>{}</p>").format(words(part, limit)) for part in parts if part)


def shown(html: str, top: int = 2) -> Markup:
    """Take HTML that a room has rendered and cleaned, and fit it into a page.

    Its headings begin at level *top* and skip none; what HTML cannot carry is written by its code.
    """
    levels: list[str] = []

    def fitted(found: re.Match[str]) -> str:
        if not found["end"]:
            while levels and levels[-1] >= found["level"]:
                levels.pop()
            levels.append(found["level"])
        return f"<{found['end']}h{min(6, top - 1 + len(levels))}>"

    visible = _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", html)
    return Markup(_HEADING.sub(fitted, visible))  # noqa: S704


def drop_cap(html: str) -> bool:
    """Tell whether a text begins with a word whose first letter can be set large by itself."""
    return re.match(r"<p>[^\W\d_][\w ]", html) is not None


def digest(value: str) -> Markup:
    """Write a digest short, with the whole of it in the title."""
    kind, _, rest = value.rpartition(":")
    shown = f"{kind}:{rest[:12]}…" if len(rest) > 14 else value
    return Markup('<code class="digest" title="{}">{}</code>').format(value, shown)


def source(text: str) -> Markup:
    """Write where something can be seen: ``entry 11``, a page here and an address elsewhere become links."""
    shown = words(text, 300)
    entry = re.fullmatch(r"(?:entry |/record/)(\d{1,12})", text.strip())
    if entry:
        return Markup('<a href="/record/{0}">entry\u00a0{0}</a>').format(entry[1])
    if re.fullmatch(r"/(?!/)[!-~]{0,300}", text.strip()) and "\\" not in text:
        return Markup('<a href="{}">{}</a>').format(text.strip(), shown)
    if re.fullmatch(r"https?://[A-Za-z0-9][!-~]{1,300}", text.strip()):
        return Markup('<a href="{}" rel="nofollow noreferrer">{}</a>').format(text.strip(), shown)
    return shown


def budget_words(budget: Budget) -> str:
    """Write what a budget has: ``100 EUR and 8 hours``."""
    return " and ".join(f"{amount(value)} {unit}" for unit, value in budget.amounts.items()) or "nothing"


FILTERS = {
    "budget_words": budget_words,
    "source": source,
    "flowing": flowing,
    "shown": shown,
    "words": words,
    "day": day,
    "moment": moment,
    "month": month,
    "iso": iso,
    "who": who,
    "by": by,
    "number": number,
    "amount": amount,
    "size": size,
    "count": count,
    "digest": digest,
    "first_upper": first_upper,
}
TESTS = {"longer": longer, "drop_cap": drop_cap}
