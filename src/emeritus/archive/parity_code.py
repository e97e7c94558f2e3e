"""Reed–Solomon over GF(2⁸): parity rows of data rows, and lost data rows from what is left.

The field is that of most such codes (polynomial 0x11D, generator 2), the matrix is Cauchy's as Intel's
ISA-L builds it: with K data rows, row i is multiplied by 1 / ((K + j) xor i) on its way into parity row
j. Any K rows of data and parity give all the others. Written with numpy, since the kept libraries are
slower, or bound to 32 rows, or without a format that could be written down; the tests hold it against one.
"""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import field, frozen, validators

from emeritus.archive.codec.loops import loops

Rows: TypeAlias = npt.NDArray[np.uint8]

_POLYNOMIAL = 0x11D
_LANES = 8  # parity rows that one look-up gives: bytes of a machine word
_TILE = 1 << 15  # columns at a time, so that the sums stay in the processor's cache


@frozen
class Code:
    """*parity* rows for each *data* rows: so many of both may be lost."""

    data: int = field(default=100, validator=validators.ge(1))
    parity: int = field(default=8, validator=[validators.ge(1), validators.le(64)])

    def __attrs_post_init__(self) -> None:
        if self.data + self.parity > 256:
            raise ValueError("GF(2⁸) has room for 256 rows")


def parity_rows(code: Code, data: Rows, width: int) -> Rows:
    """Return the parity rows of *data*, which is cut into rows of *width* bytes, the rest being zero."""
    rows = [data[start : start + width] for start in range(0, data.size, width)]
    if len(rows) > code.data:
        raise ValueError("more rows than the code has")
    groups = -(-code.parity // _LANES)
    out = np.empty((groups * _LANES, width), np.uint8)
    for group in range(groups):
        quick = loops().multiplied(data, width, _matrices(code, group)[: len(rows)].reshape(-1))
        if quick is not None:
            out[group * _LANES : (group + 1) * _LANES] = quick
            continue
        table = _table(code, group)
        for start in range(0, width, _TILE):
            length = min(_TILE, width - start)
            sums = np.zeros(length, np.uint64)
            for words, row in zip(table, rows, strict=False):
                loops().add_looked_up(words, row[start : start + length], sums)
            lanes = sums.view(np.uint8).reshape(length, _LANES).T
            out[group * _LANES : (group + 1) * _LANES, start : start + length] = lanes
    return out[: code.parity]


def lost_rows(code: Code, lost: tuple[int, ...], kept: tuple[int, ...], sums: Rows) -> Rows:
    """Return the *lost* data rows.

    *kept* names as many parity rows; *sums* are these, xor the parity of the data that is left.
    """
    return _multiply(_inverse(code, lost, kept), sums)


@lru_cache(maxsize=1)
def _products() -> Rows:
    """Every product of two bytes in the field."""
    powers, value = [], 1
    for _ in range(255):
        powers.append(value)
        value = value << 1 ^ (_POLYNOMIAL if value & 0x80 else 0)
    logs = np.zeros(256, np.intp)
    logs[powers] = np.arange(255)
    table: Rows = np.array(powers, np.uint8)[(logs[:, None] + logs) % 255]
    table[0] = table[:, 0] = 0
    return table


@lru_cache(maxsize=1)
def _inverses() -> Rows:
    found: Rows = np.argmax(_products() == 1, axis=1).astype(np.uint8)
    return found


def _coefficients(code: Code, parity: tuple[int, ...], data: tuple[int, ...]) -> Rows:
    crossed = np.bitwise_xor.outer(np.array(parity, np.intp) + code.data, np.array(data, np.intp))
    found: Rows = _inverses()[crossed]
    return found


@lru_cache(maxsize=8)
def _matrices(code: Code, group: int) -> npt.NDArray[np.uint64]:
    """For each data row: what the eight parity rows of *group* have of it, each as a matrix of 8 × 8 bits.

    Row i of a matrix, which tells what bit i of a product is the parity of, is its byte 7 - i.
    """
    lanes = tuple(range(group * _LANES, min((group + 1) * _LANES, code.parity)))
    factors = np.zeros((code.data, _LANES), np.uint8)
    factors[:, : len(lanes)] = _coefficients(code, lanes, tuple(range(code.data))).T
    columns = np.unpackbits(
        _products()[factors][..., 1 << np.arange(8)][..., None], axis=-1, bitorder="little"
    )
    rows = np.packbits(columns, axis=-2, bitorder="little")[..., 0, ::-1]
    return np.ascontiguousarray(rows).view("<u8")[..., 0]


@lru_cache(maxsize=8)
def _table(code: Code, group: int) -> npt.NDArray[np.uint64]:
    """For each data row and byte: what it adds to the eight parity rows of *group*, side by side."""
    lanes = tuple(range(group * _LANES, min((group + 1) * _LANES, code.parity)))
    table = np.zeros((code.data, 256, _LANES), np.uint8)
    table[:, :, : len(lanes)] = _products()[_coefficients(code, lanes, tuple(range(code.data)))].transpose(
        1, 2, 0
    )
    return table.view(np.uint64)[:, :, 0]


@lru_cache(maxsize=1024)
def _inverse(code: Code, lost: tuple[int, ...], kept: tuple[int, ...]) -> Rows:
    """Return the inverse of the matrix that leads from the *lost* data rows to the *kept* parity rows."""
    if len(lost) != len(kept):
        raise ValueError("a lost row needs a parity row")
    products, inverses = _products(), _inverses()
    count = len(lost)
    both = np.concatenate([_coefficients(code, kept, lost), np.eye(count, dtype=np.uint8)], axis=1)
    for at in range(count):
        pivot = at + int(np.argmax(both[at:, at] != 0))
        both[[at, pivot]] = both[[pivot, at]]
        both[at] = products[inverses[both[at, at]], both[at]]
        for row in range(count):
            if row != at:
                both[row] ^= products[both[row, at], both[at]]
    return both[:, count:]


def _multiply(matrix: Rows, rows: Rows) -> Rows:
    products = _products()
    out = np.zeros((matrix.shape[0], rows.shape[1]), np.uint8)
    for at, factors in enumerate(matrix):
        for factor, row in zip(factors, rows, strict=True):
            out[at] ^= products[factor][row]
    return out
