"""Canonical bytes: the quick way writes what RFC 8785 says, or steps aside."""

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.digests import canonical
from emeritus.core.errors import InvalidInput

TEXT = st.text(st.characters())  # lone surrogates too
NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from(
        [
            2**53 - 1,
            2**53,
            1 - 2**53,
            -(2**53),
            1e15,
            1e16,
            1e-4,
            9e-5,
            0.8,
            1.0,
            -2.0,
            0.0,
            -0.0,
            True,
            0,
            1e300,
            5e-324,
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda part: st.one_of(st.lists(part), st.dictionaries(TEXT, part), st.tuples(part, part)),
)


@given(VALUES)
def test_it_writes_what_the_reference_writes(value: object) -> None:
    """For whatever can be written, the same bytes; for the rest, an error of ours."""
    try:
        expected = rfc8785.dumps(value)
    except Exception:  # noqa: BLE001
        expected = None
    try:
        assert canonical(value) == expected
    except InvalidInput:
        assert expected is None
