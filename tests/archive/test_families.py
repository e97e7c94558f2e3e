"""The next model of a family costs little, and what it builds on is known, bounded and guarded."""

import random
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.archive.families import (
    CountingBlobs,
    archive,
    base_weights,
    numbers,
    sign,
    trained,
    tuned,
    write_model,
)

from emeritus.archive import (
    MAX_DEPTH,
    Catalogue,
    Manifest,
    ManifestDamaged,
    MemoryBlobs,
    ObjectDamaged,
    ObjectMissing,
    Relatives,
    ingest,
    ingest_file,
    inspect,
    load,
    read_file,
    rebase,
    restore,
    seal,
    sketches,
    stored_sizes,
    verify,
)
from emeritus.archive.facts import MAGIC, object_path, read_facts
from emeritus.archive.fakes import FakeTensor, gguf_bytes, safetensors_bytes
from emeritus.archive.objects import StoredObject
from emeritus.archive.relatives import MANY
from emeritus.core.digests import canonical, from_canonical


@pytest.fixture
def family(tmp_path, blobs):
    """A base and one model trained from it, archived."""
    weights = base_weights()
    base = archive(tmp_path, "base", weights, blobs)
    child = archive(tmp_path, "child", tuned(weights, 1), blobs, base=base.manifest)
    return base, child


def flip(blobs, digest, at=-200):
    path = object_path(digest)
    data = bytearray(blobs.held[path])
    data[at] ^= 1
    blobs.held[path] = bytes(data)


# --- what it saves -----------------------------------------------------------------------------------


def test_a_trained_model_is_stored_as_a_difference(family, blobs, tmp_path):
    """Every tensor is; it takes a fraction; and it comes back bit for bit, whole and in any range."""
    base, child = family
    assert child.differences == 3
    assert child.bytes_out < base.bytes_out / 2.5
    assert set(child.manifest.bases) < set(child.manifest.objects)
    assert set(child.manifest.bases.values()) < set(base.manifest.objects)
    assert base.manifest.bases == {}
    manifest = load("child", child.digest, blobs)
    assert verify(manifest, blobs).is_sound
    data = (tmp_path / "source-child" / "model.safetensors").read_bytes()
    restore(manifest, blobs, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == data
    chance = random.Random(1)
    for _ in range(10):
        start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        assert b"".join(read_file(manifest, "model.safetensors", blobs, start, end)) == data[start:end]


def test_strangers_stand_alone(tmp_path, blobs):
    """A declared base that is none costs nothing: the smaller of both is kept."""
    base = archive(tmp_path, "base", base_weights(1), blobs)
    other = archive(tmp_path, "other", base_weights(2), blobs, base=base.manifest)
    assert other.differences == 0
    assert other.manifest.bases == {}
    alone = archive(tmp_path, "other", base_weights(2), MemoryBlobs())
    assert other.bytes_out <= alone.bytes_out


def test_archiving_a_difference_again_changes_nothing(family, tmp_path, blobs):
    """The same manifest, every object reused and verified, whatever base is named the second time."""
    base, child = family
    before = dict(blobs.held)
    for options in ({"base": base.manifest}, {}):
        again = archive(tmp_path, "child", tuned(base_weights(), 1), blobs, **options)
        assert (again.digest, again.objects_new, again.bytes_out) == (child.digest, 0, 0)
    assert blobs.held == before


def test_a_range_needs_only_the_matching_range_of_the_base(tmp_path):
    """A piece in the middle of a long tensor touches one frame of it, and one of its base."""
    weights = {"w": numbers(5, (4096, 1024))}
    blobs = CountingBlobs()
    base = archive(tmp_path, "base", weights, blobs)
    child = archive(tmp_path, "child", tuned(weights, 1), blobs, base=base.manifest)
    assert child.differences == 1
    blobs.asked.clear()
    middle = child.manifest.size // 2
    data = b"".join(read_file(child.manifest, "model.safetensors", blobs, middle, middle + 9))
    assert data == (tmp_path / "source-child" / "model.safetensors").read_bytes()[middle : middle + 9]
    (name,) = child.manifest.bases
    for digest in (name, child.manifest.bases[name]):
        frames = [path for act, path in blobs.asked if act == "get_range" and path == object_path(digest)]
        assert len(frames) == 2  # its table, and one frame


def test_a_longer_vocabulary_is_a_difference_from_the_shorter(tmp_path, blobs):
    """What goes beyond the base's end stands alone; a shorter tensor uses the beginning of a longer base."""
    short = {"embed": numbers(7, (3000, 512)), "rest": numbers(8)}
    long = {
        "embed": np.concatenate([trained(short["embed"], 3), numbers(9, (200, 512))]),
        "rest": short["rest"],
    }
    base = archive(tmp_path, "base", short, blobs)
    child = archive(tmp_path, "child", long, blobs, base=base.manifest)
    assert child.differences == 1
    assert child.bytes_out < base.bytes_out / 2
    back = {"embed": trained(long["embed"], 4)[:2900], "rest": numbers(10)}
    third = archive(tmp_path, "third", back, blobs, base=child.manifest)
    assert third.differences == 1
    for stored, name in ((child, "child"), (third, "third")):
        restore(stored.manifest, blobs, tmp_path / name)
        source = tmp_path / f"source-{name}" / "model.safetensors"
        assert (tmp_path / name / "model.safetensors").read_bytes() == source.read_bytes()


def test_other_types_never_mix(tmp_path, blobs):
    """The same name with another type or another shape is no base."""
    base = archive(tmp_path, "base", {"w": numbers(1, dtype="F32")}, blobs)
    other = archive(tmp_path, "other", {"w": numbers(1)}, blobs, base=base.manifest)
    assert other.differences == 0
    third = archive(tmp_path, "third", {"w": numbers(1).reshape(64, 384)}, blobs, base=base.manifest)
    assert third.objects_new == 1  # the header: the bytes are those of `other`


def test_gguf_files_are_kin_too(tmp_path, blobs):
    """Quantised models whose scales moved and whose quants mostly stayed come back bit for bit."""
    chance = np.random.default_rng(4)
    blocks = np.zeros(4000, np.dtype([("d", "<f2"), ("q", "u1", 32)]))
    blocks["d"] = np.abs(chance.standard_normal(4000)) * 0.01
    blocks["q"] = chance.integers(0, 256, (4000, 32))
    moved = blocks.copy()
    moved["q"][::50, 3] += 1
    manifest = None
    for name, data in (("base", blocks), ("child", moved)):
        path = tmp_path / name / "m.gguf"
        path.parent.mkdir()
        path.write_bytes(gguf_bytes([FakeTensor("w", 8, (32, 4000), data.tobytes())]))
        stored = ingest(inspect(path), name, blobs, sign=sign, base=manifest)
        manifest = stored.manifest
        restore(manifest, blobs, tmp_path / f"out-{name}")
        assert (tmp_path / f"out-{name}" / "m.gguf").read_bytes() == path.read_bytes()
        assert verify(manifest, blobs).is_sound


SPECIAL = {
    "BF16": [0x7FC1, 0xFF81, 0x8000, 0x0000, 0x7F80, 0xFF80, 0x0001, 0x8001, 0xFFFF, 0x3F80],
    "F32": [
        0x7FC00001,
        0xFF800001,
        0x80000000,
        0,
        0x7F800000,
        0xFF800000,
        1,
        0x80000001,
        0xFFFFFFFF,
        0x3F800000,
    ],
}


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_any_pair_of_tensors_is_lossless(tmp_path, data):
    """Whatever bits the base and the other hold (NaN payloads, signed zeros, noise, other lengths)."""
    blobs = MemoryBlobs()
    dtype = data.draw(st.sampled_from(["BF16", "F32"]))
    width, kind = (2, np.uint16) if dtype == "BF16" else (4, np.uint32)
    chance = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    count = data.draw(st.integers(9000, 20000))
    first = chance.integers(0, 1 << (8 * width), count, dtype=np.uint64).astype(kind)
    if data.draw(st.booleans()):
        first = chance.choice(np.array(SPECIAL[dtype], kind), count)
    second = first.copy()
    touched = chance.random(count) < data.draw(st.sampled_from([0.0, 0.01, 0.5, 1.0]))
    second[touched] = chance.choice(np.array(SPECIAL[dtype], kind), int(touched.sum()))
    second[~touched] += chance.integers(0, 3, int((~touched).sum())).astype(kind)
    second = np.concatenate([second, first])[: data.draw(st.integers(9000, 2 * count))]
    manifest = None
    for name, held in (("base", first), ("child", second)):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(safetensors_bytes([FakeTensor("w", dtype, (held.size,), held.tobytes())]))
        manifest = ingest(inspect(path), name, blobs, sign=sign, base=manifest).manifest
        assert verify(manifest, blobs).is_sound
        assert b"".join(read_file(manifest, path.name, blobs)) == path.read_bytes()


# --- relatives that nobody declared ------------------------------------------------------------------


def test_a_relative_is_found_by_itself(tmp_path, blobs):
    """Under other names, among strangers, and after the index was lost and made again from the store."""
    with Relatives(tmp_path / "index") as relatives:
        weights = base_weights(1)
        base = archive(tmp_path, "base", weights, blobs, relatives=relatives)
        for seed in range(2, 6):
            archive(tmp_path, f"stranger{seed}", base_weights(seed), blobs, relatives=relatives)
        child = {f"other.{name}": held for name, held in tuned(weights, 1).items()}
        stored = archive(tmp_path, "child", child, blobs, relatives=relatives)
        assert stored.differences == 3
        assert set(stored.manifest.bases.values()) < set(base.manifest.objects)
    with Relatives(tmp_path / "new-index") as relatives:
        assert relatives.is_new
        second = {f"more.{name}": held for name, held in tuned(weights, 2).items()}
        assert archive(tmp_path, "second", second, blobs, relatives=relatives).differences == 3
        assert relatives.refresh(blobs) == 0


def test_what_was_archived_file_by_file_is_found_too(tmp_path, blobs):
    """Sealing sketches what nobody sketched, from what is stored, and comes to the same."""
    weights = base_weights()
    source = inspect(write_model(tmp_path / "apart", weights))
    apart = seal("apart", [ingest_file(file, blobs) for file in source.files], blobs, sign=sign)
    other = MemoryBlobs()
    whole = archive(tmp_path, "whole", weights, other).manifest
    found = sketches.load(sketches.sketches_path("apart", apart.digest), blobs)
    assert found == sketches.load(sketches.sketches_path("whole", whole.digest), other)
    assert {sketch.object for sketch in found} <= whole.objects.keys()
    assert len(found) == 3
    with Relatives(tmp_path / "index") as relatives:
        assert archive(tmp_path, "child", tuned(weights, 1), blobs, relatives=relatives).differences == 3


def test_a_damaged_index_is_made_again(tmp_path, blobs):
    """It is only a help: rubbish in its place is thrown away, and so are rubbish sketches."""
    weights = base_weights(1)
    with Relatives(tmp_path) as relatives:
        archive(tmp_path, "base", weights, blobs, relatives=relatives)
    (tmp_path / "relatives.sqlite3").write_bytes(b"not a database" * 1000)
    with Relatives(tmp_path) as relatives:
        assert archive(tmp_path, "child", tuned(weights, 1), blobs, relatives=relatives).differences == 3
    for path in list(blobs.list("sketches")):
        blobs.held[path] = blobs.held[path][:-1] + b"?"
    with Relatives(tmp_path / "third") as relatives:
        assert archive(tmp_path, "more", tuned(weights, 2), blobs, relatives=relatives).differences == 0


def test_an_index_that_names_what_is_gone(tmp_path, blobs):
    """An object that was pruned, or decayed, is no base; the ingest goes on without it."""
    weights = base_weights(1)
    with Relatives(tmp_path) as relatives:
        base = archive(tmp_path, "base", weights, blobs, relatives=relatives)
        one, two, *_ = list(base.manifest.objects)[1:]
        del blobs.held[object_path(one)]
        flip(blobs, two)
        child = archive(tmp_path, "child", tuned(weights, 1), blobs, relatives=relatives)
        assert child.differences == 1
        assert verify(child.manifest, blobs).is_sound


# --- what depends on what ----------------------------------------------------------------------------


def test_a_chain_is_never_longer_than_the_bound(tmp_path, blobs):
    """Each generation names the one before as its base; objects stand on the nearest that is allowed."""
    weights, below = base_weights(), None
    for generation in range(6):
        stored = archive(tmp_path, f"g{generation}", weights, blobs, base=below)
        depths = {read_facts(blobs, digest).depth for digest in stored.manifest.objects}
        assert max(depths) <= MAX_DEPTH
        assert (stored.differences > 0) == (generation > 0)
        assert verify(stored.manifest, blobs).is_sound
        weights, below = tuned(weights, generation), stored.manifest


def forged(digest, length, **claims):
    header = canonical(
        {"version": 1, "blake3": digest, "sha256": "", "length": length, "dtype": "", "frame": 4096}
        | {"base": None}
        | claims
    )
    head = MAGIC + struct.pack("<I", len(header)) + header
    payload = b"\x00" * 40
    from blake3 import blake3

    table = struct.pack("<B3xI16s", 16, len(payload), blake3(payload).digest()[:16])
    return head + payload + table + blake3(head + table).digest()


def test_circles_are_refused(blobs):
    """Objects that claim to be differences of each other, or of themselves, or in a long row, are damaged."""
    names = [f"{n:064x}" for n in range(1, 6)]
    for circle in ([names[0]], names[:2], names[:3], names):
        for number, name in enumerate(circle):
            claims = {"base": circle[(number + 1) % len(circle)], "depth": 1}
            blobs.held[object_path(name)] = forged(name, 100, **claims)
        with pytest.raises(ObjectDamaged, match="stand on each other"):
            StoredObject.open(blobs, circle[0]).frame(0)


@pytest.mark.parametrize(
    "claims",
    [
        {"base": "0" * 64},
        {"base": "0" * 64, "depth": 0},
        {"base": "0" * 64, "depth": 3},
        {"base": "0" * 64, "depth": -1},
        {"base": None, "depth": 1},
        {"base": "../../x", "depth": 1},
        {"base": None},
    ],
)
def test_headers_that_cannot_be(blobs, claims):
    """A depth without base, a base without depth, a base that is a path, a difference without a base."""
    name = "1" * 64
    blobs.held[object_path(name)] = forged(name, 100, **claims)
    with pytest.raises(ObjectDamaged, match=name):
        StoredObject.open(blobs, name)


def test_a_damaged_base_is_named_with_what_depends_on_it(family, blobs, tmp_path):
    """The error tells of the base, not of the difference, and `verify` lists the files that suffer."""
    _, child = family
    above, below = next(iter(child.manifest.bases.items()))
    flip(blobs, below)
    with pytest.raises(ObjectDamaged, match=f"{below}.*{above} depends on it") as caught:
        restore(child.manifest, blobs, tmp_path / "out")
    assert caught.value.object == below
    assert list((tmp_path / "out").iterdir()) == []
    (damage,) = verify(child.manifest, blobs).damage
    assert (damage.object, damage.files) == (below, ("model.safetensors",))
    with pytest.raises(ObjectDamaged, match=below):
        b"".join(read_file(child.manifest, "model.safetensors", blobs))


def test_a_missing_base_is_named_with_what_depends_on_it(family, blobs, tmp_path):
    base, child = family
    above, below = next(iter(child.manifest.bases.items()))
    del blobs.held[object_path(below)]
    with pytest.raises(ObjectMissing, match=f"{below}.*{above} depends on it"):
        restore(child.manifest, blobs, tmp_path / "out")
    (damage,) = verify(child.manifest, blobs).damage
    assert (damage.object, damage.id) == (below, "archive.object_missing")
    archive(tmp_path, "base", base_weights(), blobs)  # the source of the base heals both
    assert verify(child.manifest, blobs).is_sound
    assert verify(base.manifest, blobs).is_sound


def test_archiving_again_heals_without_the_base(family, blobs, tmp_path):
    """When the base is lost, the child's own source is enough: its objects are written anew, alone."""
    base, child = family
    for below in child.manifest.bases.values():
        del blobs.held[object_path(below)]
    again = archive(tmp_path, "child", tuned(base_weights(), 1), blobs)
    assert (again.objects_new, again.differences) == (3, 0)
    assert verify(again.manifest, blobs).is_sound
    assert verify(child.manifest, blobs).is_sound
    assert not verify(base.manifest, blobs).is_sound


def test_a_lost_base_comes_back_alone(tmp_path, blobs):
    """Whatever is near to it by then: what stands on it must not come to stand on too much."""
    weights = base_weights()
    second = tuned(weights, 1)
    with Relatives(tmp_path / "index") as relatives:
        one = archive(tmp_path, "one", weights, blobs, relatives=relatives)
        two = archive(tmp_path, "two", second, blobs, base=one.manifest, relatives=relatives)
        three = archive(tmp_path, "three", tuned(second, 2), blobs, base=two.manifest, relatives=relatives)
        near = archive(tmp_path, "near", tuned(weights, 7), MemoryBlobs())
        assert near.differences == 0
        for below in two.manifest.bases.values():
            del blobs.held[object_path(below)]
        archive(tmp_path, "near", tuned(weights, 7), blobs, relatives=relatives)
        again = archive(tmp_path, "one", weights, blobs, relatives=relatives)
    assert (again.objects_new, again.differences) == (3, 0)
    for stored in (one, two, three):
        assert verify(stored.manifest, blobs).is_sound


def test_a_base_that_lies_is_not_built_on(tmp_path, blobs):
    """A base whose frames decode, to other bytes than its name, is found out while it is used."""
    weights = base_weights(layers=1)
    base = archive(tmp_path, "base", weights, blobs)
    other = archive(tmp_path, "x", tuned(weights, 9), blobs)
    (name,) = set(base.manifest.objects) - set(other.manifest.objects)
    (lie,) = set(other.manifest.objects) - set(base.manifest.objects)
    data = blobs.held[object_path(lie)].replace(lie.encode(), name.encode())
    from blake3 import blake3

    (length,) = struct.unpack_from("<I", data, 8)
    table = data[-32 - 24 : -32]
    blobs.held[object_path(name)] = data[:-32] + blake3(data[: 12 + length] + table).digest()
    child = archive(tmp_path, "child", tuned(weights, 1), blobs, base=base.manifest)
    assert child.differences == 0
    assert verify(child.manifest, blobs).is_sound
    assert [damage.object for damage in verify(base.manifest, blobs).damage] == [name]


def test_who_needs_what(tmp_path, blobs):
    """Dependents are told for a base, its differences, and differences of those."""
    weights = base_weights(layers=1)
    base = archive(tmp_path, "base", weights, blobs)
    child = archive(tmp_path, "child", tuned(weights, 1), blobs, base=base.manifest)
    catalogue = Catalogue.read(blobs)
    (above,), (below,) = child.manifest.bases.keys(), child.manifest.bases.values()
    assert catalogue.dependents(below).models == ("base", "child")
    assert catalogue.dependents(below).objects == (above,)
    assert catalogue.dependents(above).models == ("child",)
    assert catalogue.dependents("0" * 64) == type(catalogue.dependents(below))((), ())
    costs = {cost.manifest.model: cost for cost in catalogue.costs(stored_sizes(blobs, catalogue.objects))}
    total = sum(stored_sizes(blobs, catalogue.objects).values())
    assert sum(cost.share for cost in costs.values()) == pytest.approx(total)
    assert costs["child"].needs == ("base",)
    assert costs["base"].needs == ()
    assert costs["child"].needed_by == ("base",)
    assert costs["child"].marginal == blobs.size(object_path(above))
    assert costs["child"].alone == total
    assert sum(kind.raw for kind in costs["base"].kinds) == base.manifest.size


def test_who_shares_a_base_is_not_taken_for_it(tmp_path, blobs):
    """A sister that kept a layer as it was holds that object too; what a model builds on is the base alone."""
    weights = base_weights()
    base = archive(tmp_path, "base", weights, blobs)
    archive(tmp_path, "child", tuned(weights, 1), blobs, base=base.manifest)
    sister = tuned(weights, 2) | {"layers.0.weight": weights["layers.0.weight"]}
    archive(tmp_path, "a-sister", sister, blobs, base=base.manifest)
    catalogue = Catalogue.read(blobs)
    costs = {cost.manifest.model: cost for cost in catalogue.costs(stored_sizes(blobs, catalogue.objects))}
    assert costs["child"].needs == costs["a-sister"].needs == ("base",)
    assert costs["child"].needed_by == ("a-sister", "base")


@pytest.mark.parametrize(
    "change",
    [
        lambda bases: bases.update({"1" * 64: "2" * 64}),  # of nobody's concern
        lambda bases: bases.update({next(iter(bases)): "x"}),
        lambda bases: bases.update({base: above for above, base in bases.items()}),  # a circle
        lambda bases: bases.clear(),
    ],
)
def test_bases_that_cannot_be_are_refused(family, change):
    """A manifest whose list of bases is a circle, a path, of other objects, or empty is no manifest."""
    raw = from_canonical(family[1].manifest.canonical())
    change(raw["bases"])
    with pytest.raises(ManifestDamaged):
        Manifest.from_bytes(canonical(raw))


# --- re-encoding -------------------------------------------------------------------------------------


def test_rebasing_makes_objects_stand_alone(tmp_path, blobs):
    """All that was preserved stays as it is; chains become shorter, down to none."""
    first = base_weights()
    second = tuned(first, 1)
    one = archive(tmp_path, "one", first, blobs)
    two = archive(tmp_path, "two", second, blobs, base=one.manifest)
    three = archive(tmp_path, "three", tuned(second, 2), blobs, base=two.manifest)

    def depths(stored):
        return {read_facts(blobs, digest).depth for digest in stored.manifest.objects}

    before = max(depths(three))
    for depth in (1, 0):
        done = rebase(three.manifest, blobs, depth=depth)
        assert max(depths(three)) <= depth
        assert (done.rewritten > 0) == (before > depth)
        before = max(depths(three))
        for stored in (one, two, three):
            assert load(stored.manifest.model, stored.digest, blobs) == stored.manifest
            assert verify(stored.manifest, blobs).is_sound
    for below in two.manifest.closure - three.manifest.objects.keys():
        blobs.delete(object_path(below))
    assert verify(three.manifest, blobs).is_sound
    assert rebase(three.manifest, blobs, depth=0).rewritten == 0


def test_rebasing_below_others_leaves_them_sound(tmp_path, blobs):
    """An object that others are differences from may be encoded anew, in either profile."""
    first = base_weights()
    second = tuned(first, 1)
    one = archive(tmp_path, "one", first, blobs)
    two = archive(tmp_path, "two", second, blobs, base=one.manifest)
    three = archive(tmp_path, "three", tuned(second, 2), blobs, base=two.manifest)
    rebase(two.manifest, blobs, depth=0)
    rebase(one.manifest, blobs, profile="fast")
    for stored in (one, two, three):
        assert verify(stored.manifest, blobs).is_sound


def test_rebasing_what_is_damaged_is_refused(family, blobs):
    """Nothing is written over an object that cannot be read."""
    _, child = family
    before = dict(blobs.held)
    flip(blobs, next(iter(child.manifest.bases)))
    damaged = dict(blobs.held)
    with pytest.raises(ObjectDamaged):
        rebase(child.manifest, blobs, depth=0)
    changed = {path for path in blobs.held if blobs.held[path] != damaged[path]}
    assert all(before[path] == damaged[path] for path in changed)


# --- growth ------------------------------------------------------------------------------------------


def test_the_next_model_costs_the_same_at_any_size(tmp_path):
    """Of 200 models in 20 families none takes more requests than a bound that the second of a family shows.

    How many exactly depends on how many bases stand below the nearest relative, never on the catalogue.
    """
    blobs = CountingBlobs()
    roots = [base_weights(seed, layers=2) for seed in range(1, 21)]
    asked = {}
    with Relatives(tmp_path / "index") as relatives:
        for number in range(200):
            family, turn = number % 20, number // 20
            weights = roots[family] if not turn else tuned(roots[family], number)
            blobs.asked.clear()
            stored = archive(tmp_path, f"m{number}", weights, blobs, relatives=relatives)
            stores = len(blobs.asked)
            blobs.asked.clear()
            restore(stored.manifest, blobs, tmp_path / f"out{number}")
            asked[number] = stores, len(blobs.asked)
            assert (stored.differences == 2) == (turn > 0)
    assert len({asked[number] for number in range(2, 20)}) == 1  # the first of each family
    more = 2 * 2 * MAX_DEPTH  # for each of two tensors, the chains of two relatives
    assert max(stores for stores, _ in list(asked.values())[20:]) <= asked[20][0] + more
    assert max(restores for _, restores in asked.values()) <= asked[0][1] + 2 * MAX_DEPTH


def test_a_large_family_does_not_fill_the_index(tmp_path):
    """Under one band only the first few relatives are kept: those that the others stand on."""
    from emeritus.archive.sketches import Sketch

    with Relatives(tmp_path) as relatives:
        for number in range(50):
            relatives.add(
                f"sketches/m{number}/x", [Sketch(f"{number:064x}", (1, 2, 3, 4, 5, 6, 7, number + 100))]
            )
        assert relatives.near((1, 2, 3, 4, 5, 6, 7, 8), limit=100) == [f"{n:064x}" for n in range(MANY)]
        assert relatives.near((0,) * 8) == []
        assert relatives.near((1, 0, 0, 0, 0, 0, 0, 149))[0] == f"{0:064x}"


def test_the_index_is_shared_by_several_writers(tmp_path):
    """Two processes may use one file: what one adds the other finds."""
    from emeritus.archive.sketches import Sketch

    with Relatives(tmp_path) as one, Relatives(tmp_path) as two:
        one.add("sketches/a/x", [Sketch("a" * 64, (5,) * 8)])
        assert two.near((5,) * 8) == ["a" * 64]
        two.add("sketches/b/x", [Sketch("b" * 64, (5,) * 8)])
        assert set(one.near((5,) * 8)) == {"a" * 64, "b" * 64}


def test_a_difference_is_only_tried_on_what_is_worth_it(tmp_path):
    """Small tensors are not looked for: each difference costs one more object to read."""
    blobs = CountingBlobs()
    weights = {f"norm.{n}": numbers(n, (64,)) for n in range(50)}
    base = archive(tmp_path, "base", weights, blobs)
    child = archive(tmp_path, "child", tuned(weights, 1), blobs, base=base.manifest)
    assert child.differences == 0
    write_model(tmp_path / "x", weights)


@pytest.mark.parametrize("profile", ["dense", "fast"])
def test_what_was_best_for_many_is_checked_for_each(tmp_path, blobs, profile):
    """After some tensors that were best as differences no more samples are taken; a stranger among them stands alone."""
    shape = (1100, 500)  # long enough to be written frame by frame
    weights = {f"layers.{n}.weight": numbers(n, shape) for n in range(12)}
    base = archive(tmp_path, "base", weights, blobs, profile=profile)
    child = tuned(weights, 1) | {"layers.9.weight": numbers(99, shape)}
    stored = archive(tmp_path, "child", child, blobs, base=base.manifest, profile=profile)
    stranger = archive(tmp_path, "stranger", {"weight": numbers(98, shape)}, MemoryBlobs(), profile=profile)
    objects = {span.name: span.parts[0].object for span in stored.manifest.files[0].spans if span.parts}
    sizes = {name: blobs.size(object_path(digest)) for name, digest in objects.items() if "layers" in name}
    lonely = blobs.size(object_path(objects["layers.9.weight"]))
    assert lonely == pytest.approx(stranger.bytes_out, rel=0.02)
    assert all(size < lonely / 3 for name, size in sizes.items() if name != "layers.9.weight")
    assert read_facts(blobs, objects["layers.9.weight"]).base is None
    (back,) = restore(stored.manifest, blobs, tmp_path / "back")
    assert back.read_bytes() == write_model(tmp_path / "again", child).read_bytes()
