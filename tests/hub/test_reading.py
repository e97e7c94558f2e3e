"""Reading a preserved file: from the archive or from the shelf, the same bytes; no wrong one ever."""

import itertools

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emeritus.archive import reading
from emeritus.archive.errors import FileDamaged, ObjectDamaged
from emeritus.archive.shelf import Shelf
from emeritus.core.errors import InvalidInput, NotFound

NAME = "model-00001-of-00002.safetensors"


@pytest.fixture
def data(folder):
    return (folder / NAME).read_bytes()


def whole(house, shelf=None, start=0, end=None, name=NAME):
    return b"".join(reading.read(house.manifest, name, house.blobs, shelf, start, end))


def until(error, pieces):
    """Return what comes before *error*, which has to come."""
    got = []
    with pytest.raises(error):
        got.extend(pieces)
    return b"".join(got)


def damage(house, number=0):
    """Flip a bit in the middle of the largest object (or of a later one)."""
    sizes = sorted(
        (path for path in house.blobs.held if path.startswith("objects/")),
        key=lambda path: -len(house.blobs.held[path]),
    )
    path = sizes[number]
    stored = bytearray(house.blobs.held[path])
    stored[len(stored) // 2] ^= 1
    house.blobs.held[path] = bytes(stored)


def test_the_same_bytes_from_both(house, shelf, data):
    """The first reading puts the file on the shelf, the second takes it from there, and asks the archive nothing."""
    assert whole(house, shelf) == data
    assert shelf.used() > len(data)
    house.blobs.held.clear()
    assert whole(house, shelf) == data
    assert whole(house, shelf, 5, 1_000_000) == data[5:1_000_000]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.tuples(st.integers(0, 2_800_200), st.integers(0, 2_800_200)), kept=st.booleans())
def test_any_part_is_a_slice(house, tmp_path_factory, data, cuts, kept):
    """Every part of a file is that part, with a shelf and without."""
    start, end = sorted(cuts)
    shelf = Shelf(tmp_path_factory.getbasetemp() / "slices", 1 << 24) if kept else None
    assert whole(house, shelf, start, end) == data[start:end]


def test_small_files_take_no_place(house, shelf):
    """What is restored in a moment is not kept."""
    assert whole(house, shelf, name="tokenizer/merges.txt") == b"a b\n" * 1000
    assert whole(house, shelf, name="empty.txt") == b""
    assert shelf.used() == 0


def test_a_part_is_not_kept(house, shelf, data):
    """Only a file that was read whole, and found to be itself, stands on the shelf."""
    whole(house, shelf, 0, 1_000_000)
    pieces = reading.read(house.manifest, NAME, house.blobs, shelf)
    next(pieces)
    pieces.close()
    assert shelf.used() == 0


def test_refused_at_once(house):
    """A file or range that is not there is refused before anything is read."""
    with pytest.raises(NotFound):
        reading.read(house.manifest, "nope", house.blobs)
    for start, end in ((-1, 5), (5, 4), (0, 10**9)):
        with pytest.raises(InvalidInput):
            reading.read(house.manifest, NAME, house.blobs, None, start, end)


def test_a_damaged_shelf_is_no_loss(house, shelf, data):
    """What decayed on the shelf is given out of the archive, from the byte on where it was found; and kept anew."""
    whole(house, shelf)
    (path,) = (path for path in shelf.folder.iterdir() if path.name != ".lock")
    stored = bytearray(path.read_bytes())
    stored[2_500_000] ^= 1
    path.write_bytes(stored)
    assert whole(house, shelf) == data
    assert not path.exists()
    assert whole(house, shelf) == data
    assert path.exists()


def test_a_damaged_archive_gives_no_wrong_byte(house, shelf, data):
    """Decay is found before its bytes are given out; what came before is right, and short; nothing is kept."""
    damage(house)
    got = until(ObjectDamaged, reading.read(house.manifest, NAME, house.blobs, shelf))
    assert data.startswith(got)
    assert len(got) < len(data)
    assert shelf.used() == 0
    with pytest.raises(ObjectDamaged):
        whole(house, None, 0, len(data) - 1)


def test_the_wrong_file_is_never_whole(house, shelf, data):
    """Sound objects in the wrong place are found at the end, and the last piece stays back."""
    files = tuple(
        evolve(file, blake3="0" * 64) if file.name == NAME else file for file in house.manifest.files
    )
    other = evolve(house.manifest, files=files)
    got = until(FileDamaged, reading.read(other, NAME, house.blobs, shelf))
    assert len(got) < len(data)
    assert shelf.used() == 0


@given(st.lists(st.binary(max_size=9), max_size=20), st.integers(1, 12))
def test_gathered(pieces, least):
    """Pieces are joined, never lost or swapped; all but the last are long enough."""
    got = list(reading.gathered(iter(pieces), least))
    assert b"".join(got) == b"".join(pieces)
    assert all(len(piece) >= least for piece in got[:-1])
    assert all(got)


def test_closing_stops_the_source():
    """Who stops reading stops the work behind it."""
    ended = []

    def source():
        try:
            for number in itertools.count():
                yield bytes([number % 256])
        finally:
            ended.append(True)

    pieces = reading.gathered(source(), 3)
    assert next(pieces) == b"\x00\x01\x02"
    pieces.close()
    assert ended == [True]
