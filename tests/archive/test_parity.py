"""Parity gives back exactly what was written, within the budget that is told, and otherwise says so."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emeritus.archive import MemoryBlobs, ingest, inspect, parity_code
from emeritus.archive.codec import plain
from emeritus.archive.errors import (
    BeyondRepair,
    BlobMissing,
    BlobUnreadable,
    ObjectDamaged,
    ObjectMissing,
    ParityDamaged,
)
from emeritus.archive.facts import object_path
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.archive.parity import Rebuild, is_current, open_parity, parity_path, protect
from emeritus.archive.parity_code import Code, lost_rows, parity_rows

SIZES = (90, 700, 30_000, 450_000, 4_300_000)


def kept(size: int, tmp_path, seed: int = 0) -> tuple[MemoryBlobs, str]:
    """A store with one object of *size* random bytes, and its parity."""
    path = tmp_path / f"{size}.safetensors"
    data = random.Random(seed + size).randbytes(size)
    path.write_bytes(safetensors_bytes([FakeTensor("a", "U8", (size,), data)]))
    blobs = MemoryBlobs()
    objects = ingest(inspect(path), "m", blobs, sign=lambda data: data[:8]).manifest.objects
    (digest,) = [each for each, length in objects.items() if length == size]
    protect(blobs, [digest])
    return blobs, digest


@pytest.fixture(scope="module", params=SIZES)
def stored(request, tmp_path_factory):
    return kept(request.param, tmp_path_factory.mktemp("parity"))


def copy(stored) -> tuple[MemoryBlobs, str, bytes]:
    held, digest = stored
    blobs = MemoryBlobs()
    blobs.held = dict(held.held)
    return blobs, digest, held.held[object_path(digest)]


def damage(data: bytes, at: int, length: int, rng: random.Random | None = None) -> bytes:
    """Zeros in place of *length* bytes, or what *rng* gives."""
    length = max(0, min(length, len(data) - at))
    return data[:at] + (rng.randbytes(length) if rng else bytes(length)) + data[at + length :]


def rebuilt(blobs, digest) -> bytes:
    return b"".join(Rebuild(blobs, digest))


# --- the code ----------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=40)
def test_as_many_rows_as_there_is_parity_may_be_lost(data):
    """Whichever rows are lost, and whichever parity rows are left, the lost ones come back."""
    code = Code(data.draw(st.integers(1, 60)), data.draw(st.integers(1, 20)))
    width = data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    rows = rng.integers(0, 256, (code.data, width), dtype=np.uint8)
    count = data.draw(st.integers(1, min(code.data, code.parity)))
    lost = tuple(sorted(rng.permutation(code.data)[:count].tolist()))
    using = tuple(sorted(rng.permutation(code.parity)[:count].tolist()))
    parity = parity_rows(code, rows.reshape(-1), width)
    left = rows.copy()
    left[list(lost)] = 0
    sums = (parity ^ parity_rows(code, left.reshape(-1), width))[list(using)]
    assert (lost_rows(code, lost, using, sums) == rows[list(lost)]).all()


@pytest.mark.parametrize(("data", "parity"), [(1, 1), (10, 4), (20, 12), (28, 4)])
def test_the_rows_are_those_of_isa_l(data, parity):
    """Intel's ISA-L, an implementation that is none of ours, computes the same parity."""
    from pyeclib.ec_iface import ECDriver

    width = 160
    raw = random.Random(data).randbytes(data * width)
    fragments = ECDriver(k=data, m=parity, ec_type="isa_l_rs_cauchy").encode(raw)
    ours = parity_rows(Code(data, parity), np.frombuffer(raw, np.uint8), width)
    assert [row.tobytes() for row in ours] == [each[80 : 80 + width] for each in fragments[data:]]


@given(st.data())
@settings(max_examples=40)
def test_rows_of_any_length_are_those_of_the_plain_loops(data):
    """What the processor multiplies is what the tables hold, however short the last row and however odd the width."""
    code = Code(data.draw(st.integers(1, 40)), data.draw(st.integers(1, 17)))
    width = data.draw(st.integers(1, 200))
    size = data.draw(st.integers(1, code.data * width))
    raw = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    quick = parity_rows(code, raw, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_code, "loops", lambda: plain)
        assert (quick == parity_rows(code, raw, width)).all()


def test_more_rows_than_the_field_has_are_refused():
    with pytest.raises(ValueError, match="256"):
        Code(250, 8)


# --- what may be lost ----------------------------------------------------------------------------------


def test_nothing_lost_is_nothing_changed(stored):
    blobs, digest, good = copy(stored)
    rebuild = Rebuild(blobs, digest)
    assert b"".join(rebuild) == good
    assert rebuild.blocks == 0


def test_any_bad_sector(stored):
    """4096 bytes that begin at a multiple of 4096 may be lost, anywhere in any object."""
    blobs, digest, good = copy(stored)
    sectors = range(0, len(good), 4096)
    for at in {*random.Random(1).sample(sectors, min(12, len(sectors))), sectors[-1]}:
        blobs.held[object_path(digest)] = damage(good, at, 4096, random.Random(at))
        assert rebuilt(blobs, digest) == good


def test_a_hole_of_a_thirteenth(stored):
    """A hole of 1/13 (7.7 %) of an object from 450 kB on, less one block, may be anywhere."""
    blobs, digest, good = copy(stored)
    if len(good) < 450_000:
        pytest.skip("for larger ones")
    length = len(good) // 13 - 4096
    for at in [0, len(good) - length, *random.Random(2).sample(range(len(good) - length), 6)]:
        blobs.held[object_path(digest)] = damage(good, at, length)
        assert rebuilt(blobs, digest) == good


def test_a_bad_block_of_64_kib(tmp_path):
    """65536 bytes may be lost, anywhere in an object of 1 MiB or more."""
    stored = kept(1 << 20, tmp_path)
    blobs, digest, good = copy(stored)
    for at in random.Random(3).sample(range(len(good) - 65536), 10):
        blobs.held[object_path(digest)] = damage(good, at, 65536)
        assert rebuilt(blobs, digest) == good


def test_eight_flips_anywhere(stored):
    """Any eight flipped bits may be anywhere, object and parity together."""
    blobs, digest, good = copy(stored)
    parity = blobs.held[parity_path(digest)]
    for seed in range(12):
        rng = random.Random(seed)
        both = bytearray(good + parity)
        for _ in range(8):
            both[rng.randrange(len(both))] ^= 1 << rng.randrange(8)
        blobs.held[object_path(digest)] = bytes(both[: len(good)])
        blobs.held[parity_path(digest)] = bytes(both[len(good) :])
        try:
            assert rebuilt(blobs, digest) == good
        except ParityDamaged:  # flips hit both heads
            assert both[len(good) : len(good) + 300] != parity[:300]


def test_a_tail_that_is_cut_off(stored):
    """What is missing at the end counts as what is lost anywhere else."""
    blobs, digest, good = copy(stored)
    cut = min(len(good), max(3584, len(good) // 13 - 4096))
    blobs.held[object_path(digest)] = good[:-cut]
    assert rebuilt(blobs, digest) == good


def test_what_stands_behind_the_end_is_left_out(stored):
    blobs, digest, good = copy(stored)
    blobs.held[object_path(digest)] = good + b"more"
    assert rebuilt(blobs, digest) == good


def test_a_small_object_that_is_gone(tmp_path):
    """All of an object of up to 4096 stored bytes may be lost."""
    blobs, digest = kept(3000, tmp_path)
    good = blobs.held.pop(object_path(digest))
    assert rebuilt(blobs, digest) == good


def test_a_large_object_that_is_gone(tmp_path):
    """Nobody makes up what is not there."""
    blobs, digest = kept(30_000, tmp_path)
    del blobs.held[object_path(digest)]
    with pytest.raises(BeyondRepair, match=digest):
        rebuilt(blobs, digest)


def test_sectors_that_the_disk_cannot_read(tmp_path):
    """A read error is a lost block, not the end."""
    blobs, digest, good = copy(kept(4_300_000, tmp_path))
    whole = blobs.get_range

    def get_range(path, start, end):
        if path == object_path(digest) and start < 502_000 and end > 500_000:
            raise BlobUnreadable("The disk cannot read it.", next_step="Repair it.")
        return whole(path, start, end)

    blobs.get_range = get_range
    rebuild = Rebuild(blobs, digest)
    assert b"".join(rebuild) == good
    assert rebuild.blocks == 1


@pytest.mark.parametrize("end", ["first", "last", "both"])
def test_parity_without_an_end(stored, end):
    """Head and digests stand at both ends: one of them is enough, none is too few."""
    blobs, digest, good = copy(stored)
    parity = blobs.held[parity_path(digest)]
    opened = open_parity(blobs, digest)
    length = (len(parity) - opened.head.rows_size) // 2
    if end != "last":
        parity = damage(parity, 0, length - 8)
    if end != "first":
        parity = damage(parity, len(parity) - length + 8, length)
    blobs.held[parity_path(digest)] = parity
    blobs.held[object_path(digest)] = damage(good, 0, 4096)
    if end == "both":
        with pytest.raises(ParityDamaged):
            rebuilt(blobs, digest)
    else:
        assert rebuilt(blobs, digest) == good


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_decays_the_bytes_are_right_or_refused(stored, data):
    """Random damage to object and parity, in and beyond the budget: the right bytes, or an error by name."""
    blobs, digest, good = copy(stored)
    for path in (object_path(digest), parity_path(digest)):
        for _ in range(data.draw(st.integers(0, 5))):
            held = blobs.held[path]
            rng = random.Random(data.draw(st.integers(0, 1000)))
            at = rng.randrange(len(held) + 1)
            length = rng.choice([1, 17, 4096, len(held) // 20, len(held) // 3])
            how = data.draw(st.sampled_from(["noise", "zeros", "cut", "shift"]))
            match how:
                case "noise":
                    blobs.held[path] = damage(held, at, length, rng)
                case "zeros":
                    blobs.held[path] = damage(held, at, length)
                case "cut":
                    blobs.held[path] = held[: max(1, len(held) - length)]
                case "shift":
                    blobs.held[path] = held[:at] + b"?" + held[at:]
    try:
        assert rebuilt(blobs, digest) == good
    except (BeyondRepair, ParityDamaged) as why:
        assert why.next_step  # noqa: PT017


# --- writing it ----------------------------------------------------------------------------------------


def test_parity_is_written_once(tmp_path):
    blobs, digest = kept(30_000, tmp_path)
    assert is_current(blobs, digest)
    before = blobs.held[parity_path(digest)]
    assert protect(blobs, [digest]).new == 0
    blobs.held[parity_path(digest)] = before[:-1]
    assert is_current(blobs, digest), "one end is enough to use it"
    blobs.held[parity_path(digest)] = b"?"
    assert not is_current(blobs, digest)
    assert protect(blobs, [digest]).new == 1
    assert blobs.held[parity_path(digest)] == before


def test_parity_costs_what_is_told(tmp_path):
    """8.4 to 9.2 % from 4 MiB on, less than 13 % from 100 kB on, never more than 5000 bytes of what is tiny."""
    for size, share in (
        (10_000_000, 0.087),
        (4_200_000, 0.092),
        (4_100_000, 0.116),
        (450_000, 0.118),
        (100_000, 0.13),
    ):
        blobs, digest = kept(size, tmp_path)
        assert blobs.size(parity_path(digest)) <= share * blobs.size(object_path(digest))
    blobs, digest = kept(100, tmp_path)
    assert blobs.size(parity_path(digest)) <= 5000


def test_another_amount_of_parity(tmp_path):
    """The amount is part of the format: what was written with another one is read all the same."""
    blobs, digest = kept(1_300_000, tmp_path)
    for amount in (6, 12, 20):
        del blobs.held[parity_path(digest)]
        protect(blobs, [digest], code=Code(parity=amount))
        good = blobs.held[object_path(digest)]
        hole = len(good) * amount // (100 + amount) - 3 * 4096
        blobs.held[object_path(digest)] = damage(good, 40_000, hole)
        assert rebuilt(blobs, digest) == good
        blobs.held[object_path(digest)] = good


def test_no_parity_of_what_is_damaged(stored):
    """Parity of damaged bytes would preserve the damage."""
    blobs, digest, good = copy(stored)
    del blobs.held[parity_path(digest)]
    rng = random.Random(5)
    for at in {0, len(good) // 2, len(good) - 1, *rng.sample(range(len(good)), 5)}:
        blobs.held[object_path(digest)] = good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :]
        with pytest.raises(ObjectDamaged, match=digest):
            protect(blobs, [digest])
    blobs.held[object_path(digest)] = good[:-1]
    with pytest.raises(ObjectDamaged):
        protect(blobs, [digest])
    del blobs.held[object_path(digest)]
    with pytest.raises(ObjectMissing):
        protect(blobs, [digest])
    assert parity_path(digest) not in blobs.held


def test_parity_of_another_object_is_not_used(tmp_path):
    blobs, digest = kept(30_000, tmp_path)
    other, another = kept(31_000, tmp_path)
    blobs.held[parity_path(digest)] = other.held[parity_path(another)]
    with pytest.raises(ParityDamaged, match=another):
        Rebuild(blobs, digest)


def test_no_parity_at_all(tmp_path):
    blobs, digest = kept(30_000, tmp_path)
    del blobs.held[parity_path(digest)]
    with pytest.raises(BlobMissing):
        Rebuild(blobs, digest)


def test_damaged_parity_is_told(stored):
    """Whatever bit of a parity file is flipped, a look at all of it says so."""
    blobs, digest, _ = copy(stored)
    parity = blobs.held[parity_path(digest)]
    assert open_parity(blobs, digest).wrong() is None
    rng = random.Random(6)
    for at in {0, 20, len(parity) - 1, *rng.sample(range(len(parity)), 20)}:
        blobs.held[parity_path(digest)] = parity[:at] + bytes([parity[at] ^ 16]) + parity[at + 1 :]
        assert open_parity(blobs, digest).wrong() is not None
    blobs.held[parity_path(digest)] = parity + b"x"
    assert open_parity(blobs, digest).wrong() is not None


def test_the_format_page_mends_an_object(tmp_path):
    """Whoever has only the page can do it: its own code gives back what parity gives back."""
    page = (Path(__file__).parents[2] / "docs/reference/archive-format.md").read_text(encoding="utf-8")
    (code,) = [each for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def mend" in each]
    names: dict = {}
    exec(code, names)
    for size, holes in (
        (90, [(0, 300)]),
        (30_000, [(4096, 2000), (20_000, 600)]),
        (300_000, [(100_000, 9000)]),
    ):
        blobs, digest = kept(size, tmp_path)
        good = blobs.held[object_path(digest)]
        bad = good
        for at, length in holes:
            bad = damage(bad, at, length, random.Random(at))
        assert names["mend"](bad, blobs.held[parity_path(digest)]) == good
