"""The tree: RFC 6962, checked against its definition and against published vectors."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.record import merkle
from emeritus.record.edge import Edge
from emeritus.record.tiles import TileNodes

# The eight entries and roots used by Certificate Transparency's own test suites.
INPUTS = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    bytes(range(0x60, 0x70)),
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Tree:
    """The tree of *leaves*, as its tiles give it."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.edge, self.full = Edge(), {}
        for leaf in leaves:
            for tile in self.edge.append(merkle.leaf_hash(leaf)):
                self.full[tile.level, tile.position] = tile.hashes
        self._nodes = TileNodes(self, len(leaves))

    def tile(self, level: int, position: int, width: int) -> bytes:
        known = self.full.get((level, position)) or b"".join(self.edge.levels[level])
        return known[: width * 32]

    def node(self, level: int, index: int) -> bytes:
        return self._nodes.node(level, index)


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962, 2.1 writes it down."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_that_others_publish(size: int) -> None:
    """Whoever has another implementation of RFC 6962 can check our log."""
    assert merkle.root(Tree(INPUTS), size).hex() == ROOTS[size - 1]


LEAVES = st.lists(st.binary(max_size=3), min_size=1, max_size=70)


@given(LEAVES)
def test_every_root_is_the_defined_one(leaves: list[bytes]) -> None:
    """The root of every prefix is the hash that the RFC defines for it."""
    tree = Tree(leaves)
    for size in range(len(leaves) + 1):
        assert merkle.root(tree, size) == by_definition(leaves[:size])


@given(LEAVES, st.data())
def test_an_audit_path_proves_its_entry_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    """A proof holds for its leaf, place and root, and for nothing that differs by one bit."""
    tree = Tree(leaves)
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion(tree, index, size)
    root = merkle.root(tree, size)
    leaf = merkle.leaf_hash(leaves[index])
    assert merkle.verify_inclusion(leaf, index, size, proof, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(leaves[index] + b"!"), index, size, proof, root)
    if proof:
        broken = data.draw(st.integers(0, len(proof) - 1))
        bad = [bytes([p[0] ^ 1]) + p[1:] if i == broken else p for i, p in enumerate(proof)]
        assert not merkle.verify_inclusion(leaf, index, size, bad, root)
        assert not merkle.verify_inclusion(leaf, index, size, proof[:-1], root)
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, root], root)


@given(LEAVES, st.data())
def test_a_consistency_proof_shows_growth_and_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    """An honest extension is proven; a rewritten entry before the old size is not."""
    new = data.draw(st.integers(1, len(leaves)))
    old = data.draw(st.integers(1, new))
    tree = Tree(leaves)
    proof = merkle.consistency(tree, old, new)
    old_root, new_root = merkle.root(tree, old), merkle.root(tree, new)
    assert merkle.verify_consistency(old, new, proof, old_root, new_root)
    rewritten = list(leaves)
    place = data.draw(st.integers(0, old - 1))
    rewritten[place] += b"!"
    forged = Tree(rewritten)
    assert not merkle.verify_consistency(
        old, new, merkle.consistency(forged, old, new), old_root, merkle.root(forged, new)
    )


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_an_entry_that_is_not_there(index: int, size: int) -> None:
    """Asking for one is a defect of the caller; presenting one proves nothing."""
    tree = Tree(INPUTS)
    with pytest.raises(ValueError, match="no entry"):
        merkle.inclusion(tree, index, size)
    assert not merkle.verify_inclusion(b"", index, size, [], merkle.root(tree, max(size, 1)))
