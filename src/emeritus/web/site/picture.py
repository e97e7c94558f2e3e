"""The picture of an essay that other sites show beside a link to it: its title, drawn; nothing is fetched for it."""

import io
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1200, 630
MARGIN: Final = 84
_SIZES: Final = (84, 72, 62, 54, 46)
_MOST_LINES: Final = 4
# One byte a pixel: a ramp from ink to paper, in which letters are drawn smoothly, and one colour beside it.
_PAPER, _ACCENT, _SOFT = 239, 240, 92
_INK_RGB, _PAPER_RGB, _ACCENT_RGB = (33, 29, 24), (251, 249, 244), (109, 36, 49)
# Fonts that Debian, Fedora, macOS and Windows put there; the first that has every letter is taken.
_SYSTEM: Final = (
    "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-serif-cjk-fonts/NotoSerifCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/System/Library/Fonts/Supplemental/Songti.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)
_WIDE = ("W", "F")

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=256)
def essay_picture(title: str, by: str, house: str) -> bytes:
    """Draw a PNG of 1200 by 630 pixels. Where no font has the letters of *title*, *by* stands large instead."""
    image = Image.new("L", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH, 13), fill=_ACCENT)
    large, small = (title, by) if _path_for(title) is not None else (by, "")
    _line(draw, MARGIN, 96, small, 30, _SOFT)
    lines, size = _wrapped(draw, large)
    y = 168 + max(0, (316 - len(lines) * int(size * 1.22)) // 2)
    for line in lines:
        _line(draw, MARGIN, y, line, size, 0)
        y += int(size * 1.22)
    draw.line((MARGIN, HEIGHT - 112, WIDTH - MARGIN, HEIGHT - 112), fill=190, width=2)
    _line(draw, MARGIN, HEIGHT - 84, house, 30, _SOFT)
    image.putpalette(_palette())
    data = io.BytesIO()
    image.save(data, "PNG", compress_level=3)
    return data.getvalue()


@cache
def _palette() -> bytes:
    ramp = [
        round(ink + (paper - ink) * step / _PAPER)
        for step in range(_PAPER + 1)
        for ink, paper in zip(_INK_RGB, _PAPER_RGB, strict=True)
    ]
    return bytes([*ramp, *_ACCENT_RGB]).ljust(768, b"\0")


@cache
def _font(path: str, size: int) -> Font:
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


def _line(draw: ImageDraw.ImageDraw, x: int, y: int, text: str, size: int, fill: int) -> None:
    """Draw one line, cut where the margin is."""
    path = _path_for(text)
    if path is None:
        return
    font = _font(path, size)
    while text and draw.textlength(text, font) > WIDTH - 2 * MARGIN:
        text = text[:-2].rstrip() + "…"
    draw.text((x, y), text, fill=fill, font=font)


def _wrapped(draw: ImageDraw.ImageDraw, text: str) -> tuple[list[str], int]:
    """Break *text* into lines, as large as they fit; what does not fit at the smallest size is cut."""
    path = _path_for(text) or ""
    lines: list[str] = []
    for size in _SIZES:
        lines = _lines(draw, text, _font(path, size))
        if len(lines) <= _MOST_LINES:
            return lines, size
    return [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1] + " …"], _SIZES[-1]


def _lines(draw: ImageDraw.ImageDraw, text: str, font: Font) -> list[str]:
    lines, line = [], ""
    for piece in _pieces(text):
        if line and draw.textlength(line + piece.rstrip(), font) > WIDTH - 2 * MARGIN:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str) -> list[str]:
    """Cut *text* where a line may end: after words, between wide characters, and in words without an end."""
    pieces: list[str] = []
    for word in text.split():
        piece = ""
        for character in word:
            ends = unicodedata.category(character) in ("Po", "Pe", "Pf")  # no line begins with these
            wide = unicodedata.east_asian_width(character) in _WIDE and not ends
            if piece and (wide or len(piece) >= 24):
                pieces.append(piece)
                piece = ""
            piece += character
        pieces.append(piece + " ")
    return pieces


@lru_cache(maxsize=1024)
def _path_for(text: str) -> str | None:
    """Return a font that has every letter of *text*: Pillow's own where it is enough (empty); None: there is none."""
    if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text):
        return None  # letters that are joined and run to the left would come out wrong
    needed = {character for character in text if not character.isspace()}
    for path in ("", *_SYSTEM):
        if (not path or Path(path).is_file()) and needed <= _had(path, frozenset(needed)):
            return path
    return None


@lru_cache(maxsize=256)
def _had(path: str, characters: frozenset[str]) -> frozenset[str]:
    return frozenset(character for character in characters if _has(path, character))


@lru_cache(maxsize=8192)
def _has(path: str, character: str) -> bool:
    font = _font(path, 24)
    missing = _outline(font, "\uffff")
    return character == "\u00a0" or _outline(font, character) != missing


def _outline(font: Font, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
