"""Tiles: the tree in 256s, as C2SP tlog-tiles lays it out."""

from contextlib import suppress
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emeritus.core.errors import EmeritusError, IntegrityError, InvalidInput
from emeritus.record import merkle
from emeritus.record.edge import Edge, widths
from emeritus.record.tiles import Tile, TileNodes, bundle, tiles_of, unbundle

SIZE = 66_048  # one full tile of level 1, and two hashes beyond it


class Grown:
    """A tree of numbered leaves, with the root that it had at each size."""

    def __init__(self, size: int) -> None:
        self.leaves = [sha256(number.to_bytes(4, "big")).digest() for number in range(size)]
        self.edge, self.full, self.roots = Edge(), {}, [merkle.EMPTY_ROOT]
        for leaf in self.leaves:
            for tile in self.edge.append(leaf):
                self.full[tile.level, tile.position] = tile
            self.roots.append(self.edge.root() if self.edge.size < 1100 else b"")

    def tile(self, level: int, position: int, width: int) -> bytes:
        full = self.full.get((level, position))
        return (full.hashes if full else b"".join(self.edge.levels[level]))[: width * 32]


@pytest.fixture(scope="module")
def grown() -> Grown:
    return Grown(SIZE)


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962, 2.1 writes it down, over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01" + by_definition(leaves[:half]) + by_definition(leaves[half:])).digest()


def test_the_edge_has_the_root_that_the_rfc_defines(grown: Grown) -> None:
    """At every size across the first tiles, and at the end of a tree of three levels of tiles."""
    for size in (1, 2, 3, 5, 128, 255, 256, 257, 511, 512, 513, 1000):
        assert grown.roots[size] == by_definition(grown.leaves[:size])
    assert grown.edge.root() == by_definition(grown.leaves)


def test_a_tile_holds_what_the_specification_says(grown: Grown) -> None:
    """The hash at i of tile n of level l is the tree hash of its 256**l entries."""
    assert [len(tile.hashes) for tile in grown.full.values()] == [8192] * (SIZE // 256 + 1)
    for level, position, at in (
        (0, 0, 0),
        (0, 257, 255),
        (1, 0, 0),
        (1, 0, 77),
        (1, 0, 255),
        (1, 1, 1),
        (2, 0, 0),
    ):
        begin, span = (position * 256 + at) * 256**level, 256**level
        found = grown.tile(level, position, at + 1)[at * 32 :]
        assert found == by_definition(grown.leaves[begin : begin + span])


@given(st.data())
def test_an_edge_can_be_taken_up_again(grown: Grown, data: st.DataObject) -> None:
    """Whatever was appended in another transaction: the partial tiles are all that is needed."""
    size = data.draw(st.integers(0, 1000))
    levels = [
        [grown.tile(level, size >> 8 * (level + 1), width)[at * 32 : at * 32 + 32] for at in range(width)]
        for level, width in enumerate(widths(size))
    ]
    edge = Edge(size, levels)
    assert edge.root() == grown.roots[size]
    more = data.draw(st.integers(0, 60))
    for leaf in grown.leaves[size : size + more]:
        for tile in edge.append(leaf):
            assert tile == grown.full[tile.level, tile.position]
    assert edge.root() == grown.roots[size + more]


@pytest.mark.parametrize("levels", [[], [[b"a"]], [[], []], [[b"a"] * 2, []]])
def test_a_torn_edge_is_refused(levels: list) -> None:
    """Fewer or more hashes than the size needs: nothing may be signed over that."""
    with pytest.raises(ValueError, match="partial tiles"):
        Edge(258, levels)


@given(st.data())
def test_every_proof_can_be_made_from_tiles(grown: Grown, data: st.DataObject) -> None:
    """For any entry and any two sizes, across the borders of tiles."""
    interesting = st.sampled_from([1, 255, 256, 257, 65_535, 65_536, 65_537, SIZE])
    size = data.draw(st.one_of(interesting, st.integers(1, SIZE)))
    nodes = TileNodes(grown, SIZE)
    root = merkle.root(nodes, size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion(nodes, index, size)
    assert merkle.verify_inclusion(grown.leaves[index], index, size, proof, root)
    assert sum(map(len, proof)) <= 17 * 32
    old = data.draw(st.integers(1, size))
    proof = merkle.consistency(nodes, old, size)
    assert merkle.verify_consistency(old, size, proof, merkle.root(nodes, old), root)


def test_a_smaller_tree_reads_no_further_than_it_goes(grown: Grown) -> None:
    """A hash beyond the size is a KeyError, also where the tiles have more."""
    nodes = TileNodes(grown, 300)
    assert nodes.node(0, 299) == grown.leaves[299]
    for level, index in ((0, 300), (2, 75), (8, 1), (0, -1), (9, 0)):
        with pytest.raises(KeyError):
            nodes.node(level, index)


def test_paths_are_those_of_the_specification() -> None:
    """The examples that it gives, and one tile has one path."""
    assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert Tile(1, 0, 17).path == "tile/1/000.p/17"
    assert Tile(None, 999, 1).path == "tile/entries/999.p/1"
    of_70_000 = [tile.path for tile in tiles_of(70_000)]
    assert len(of_70_000) == 2 * 274 + 2 + 1
    assert of_70_000[-4:] == ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert [tile.path for tile in tiles_of(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert list(tiles_of(0)) == []


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 10**12), st.integers(1, 256))
def test_a_path_leads_back_to_its_tile(level: int | None, position: int, width: int) -> None:
    """What is written is what is read."""
    assert Tile.parse(Tile(level, position, width).path) == Tile(level, position, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/007",
        "tile/0/000.p",
        "tile/8/0/000",
        "tile/data/000",
        "tile/entries/../../record.key",
        "tile/0/٠٠٠",
        "/tile/0/000",
        "tile/0/000\n",
    ],
)
def test_what_names_no_tile_is_refused(path: str) -> None:
    """No second name for a tile, and no way out of the folder."""
    with pytest.raises(InvalidInput):
        Tile.parse(path)


@given(st.text(max_size=40))
def test_any_other_text_names_no_tile_or_just_one(text: str) -> None:
    """Hostile paths end in an error of ours, or in the tile whose path they are."""
    with suppress(InvalidInput):
        assert Tile.parse(text).path == text


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    """Lengths in two bytes, then the bytes themselves."""
    assert unbundle(bundle(entries)) == entries


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5), st.data())
def test_a_bundle_that_is_cut_off_is_found_out(entries: list[bytes], data: st.DataObject) -> None:
    """Wherever it ends too early, unless at the end of an entry, and then one is missing."""
    whole = bundle(entries)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        assert unbundle(cut) == entries[: len(unbundle(cut))]
        assert len(unbundle(cut)) < len(entries)
    except IntegrityError:
        pass


def test_an_entry_that_no_bundle_can_hold_is_named() -> None:
    """Houses of older releases may have one; it is still served a line at a time."""
    with pytest.raises(EmeritusError, match="65536 bytes"):
        bundle([b"x" * 65_536])
