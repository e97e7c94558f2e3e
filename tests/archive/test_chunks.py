"""Plain bytes are cut where their content says, so that what moved is found again."""

import random
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archive.families import sign

from emeritus.archive import ingest, inspect, read_file, verify
from emeritus.archive.chunks import _GEAR, ALIGN, BITS, MAX, MIN, boundaries


def cuts(data, align=1):
    return list(boundaries(lambda start, end: data[start:end], 0, len(data), align))


NOISE = random.Random(1).randbytes(6 << 20)


def test_chunks_are_neither_tiny_nor_huge():
    ends = cuts(NOISE)
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    assert ends[-1] == len(NOISE)
    assert all(MIN <= length <= MAX for length in lengths[:-1])
    assert cuts(b"") == []
    assert cuts(b"x") == [1]
    assert cuts(bytes(5 << 20)) == [MAX, 2 * MAX, 5 << 20]


def test_the_rule_is_the_one_that_the_format_page_tells():
    """The sum over the last 32 bytes, computed the long way, is small exactly where a chunk ends first."""
    end = cuts(NOISE)[0]

    def total(at):
        return sum(int(_GEAR[NOISE[at - 1 - n]]) << n for n in range(32)) & 0xFFFFFFFF

    assert total(end) >> (32 - BITS) == 0
    assert not any(total(at) >> (32 - BITS) == 0 for at in range(MIN, end))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, len(NOISE) - 1), st.binary(min_size=1, max_size=100))
def test_what_is_put_in_moves_only_the_chunks_around_it(at, more):
    """After an insertion all later boundaries are found again."""
    before = cuts(NOISE)
    after = cuts(NOISE[:at] + more + NOISE[at:])
    moved = {end + len(more) for end in before if end > at} | {end for end in before if end <= at}
    assert len(moved - set(after)) <= 3


def test_numbers_are_not_cut_in_two():
    assert all(end % ALIGN == 0 for end in cuts(NOISE, ALIGN)[:-1])


def archived(path, name, blobs):
    stored = ingest(inspect(path), name, blobs, sign=sign)
    assert verify(stored.manifest, blobs).is_sound
    for file in inspect(path).files:
        assert b"".join(read_file(stored.manifest, file.name, blobs)) == file.path.read_bytes()
    return stored


def test_a_tokenizer_with_lines_added(tmp_path, blobs):
    """Two models whose tokenizers differ by some lines in the middle store the rest once."""
    chance = random.Random(2)
    lines = [f'    "{chance.randbytes(6).hex()}": {n},\n'.encode() for n in range(150_000)]
    for name, text in (("one", lines), ("two", [*lines[:70_000], b'    "new": 1,\n' * 20, *lines[70_000:]])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "tokenizer.json").write_bytes(b"{\n" + b"".join(text) + b"}\n")
        (folder / "pytorch_model.bin").write_bytes(b"weights")
    first = archived(tmp_path / "one", "one", blobs)
    second = archived(tmp_path / "two", "two", blobs)
    assert first.bytes_out > 5 * second.bytes_out


def test_two_pytorch_files_share_their_tensors(tmp_path, blobs):
    """The same storages behind another pickle, in another order: nearly all of it is there already."""
    chance = random.Random(3)
    storages = {f"model/data/{n}": chance.randbytes(1_500_000) for n in range(5)}
    for name, order in (("one", list(storages)), ("two", list(storages)[::-1])):
        path = tmp_path / name / "pytorch_model.bin"
        path.parent.mkdir()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
            out.writestr("model/data.pkl", b"pickle" * (10 if name == "one" else 13))
            for each in order:  # as PyTorch does it: every storage begins at a multiple of 64
                place = zipfile.ZipInfo(each)
                place.extra = bytes(-(out.fp.tell() + 30 + len(each)) % 64)
                out.writestr(place, storages[each])
    first = archived(tmp_path / "one", "one", blobs)
    second = archived(tmp_path / "two", "two", blobs)
    assert second.bytes_out < first.bytes_out / 2
    assert second.objects_reused >= 5


@pytest.mark.parametrize("name", ["pytorch_model.bin", "notes.txt"])
def test_cutting_is_the_same_every_time(tmp_path, blobs, name):
    path = tmp_path / name
    path.write_bytes(NOISE)
    (tmp_path / "m.bin").write_bytes(b"x")
    first = archived(tmp_path, "m", blobs)
    again = archived(tmp_path, "m", blobs)
    assert (again.digest, again.objects_new) == (first.digest, 0)
    assert len(first.manifest.objects) > 5
