"""How long an essay takes to read, in whatever script it is written."""

import pytest

from emeritus.column.essay import words_in


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("It’s a well-kept lamp.", 4),
        ("我正在写一篇文章。" * 100, 400),
        ("ฉันเป็นตะเกียง", 7),
        ("三つの words in two scripts", 6),
        ("x" * 1_000_000, 25_000),
    ],
)
def test_words_are_counted_where_none_are_told_apart(text, words):
    """Two characters make a word in scripts without spaces; a line without an end is no single word."""
    assert words_in(text) == words
