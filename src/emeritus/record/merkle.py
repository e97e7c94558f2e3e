"""Merkle tree hashing and proofs (RFC 6962, section 2.1).

Complete subtrees are named ``(level, index)``: level 0 holds the leaves, and the node at ``(l, i)`` covers
the leaves ``i * 2**l`` to ``(i + 1) * 2**l - 1``. Each proof reads O(log n) of them.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Protocol

EMPTY_ROOT = sha256().digest()


class Nodes(Protocol):
    """Where hashes of complete subtrees are read. Raises KeyError for one that is not there."""

    def node(self, level: int, index: int) -> bytes: ...


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256 over 0x00 and the entry's bytes."""
    return sha256(b"\x00" + data).digest()


def pair_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256 over 0x01 and both children."""
    return sha256(b"\x01" + left + right).digest()


def _subtrees(begin: int, end: int) -> Iterable[tuple[int, int]]:
    """Cover ``[begin, end)`` with complete subtrees, left to right; *begin* is aligned to the cover."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def range_hash(nodes: Nodes, begin: int, end: int) -> bytes:
    """Return MTH of the leaves ``[begin, end)``, where *begin* is a multiple of a power of two >= length."""
    parts = [nodes.node(level, index) for level, index in _subtrees(begin, end)]
    if not parts:
        return EMPTY_ROOT
    digest = parts.pop()
    while parts:
        digest = pair_hash(parts.pop(), digest)
    return digest


def root(nodes: Nodes, size: int) -> bytes:
    """Return the tree hash of the first *size* entries."""
    return range_hash(nodes, 0, size)


def inclusion(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """Return the audit path of entry *index* in the tree of *size* (RFC 6962, 2.1.1), leaf side first."""
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a tree of {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + (1 << ((end - begin - 1).bit_length() - 1))
        if index < middle:
            path.append(range_hash(nodes, middle, end))
            end = middle
        else:
            path.append(range_hash(nodes, begin, middle))
            begin = middle
    return path[::-1]


def consistency(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of *new* entries extends that of *old* (RFC 6962, 2.1.2)."""
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof from {old} to {new}")
    path: list[bytes] = []
    begin, end, whole = 0, new, True
    while old != end:
        middle = begin + (1 << ((end - begin - 1).bit_length() - 1))
        if old <= middle:
            path.append(range_hash(nodes, middle, end))
            end = middle
        else:
            path.append(range_hash(nodes, begin, middle))
            begin, whole = middle, False
    if not whole:
        path.append(range_hash(nodes, begin, end))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Check an audit path (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            digest = pair_hash(sibling, digest)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            digest = pair_hash(digest, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and digest == expected


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Check a consistency proof (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for digest in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = pair_hash(digest, first), pair_hash(digest, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = pair_hash(second, digest)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
