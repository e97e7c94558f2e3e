"""Nothing decays unseen, and what decays is mended: on a folder and over S3's protocol, by name of the disaster."""

import hashlib
import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emeritus.archive import (
    Blobs,
    Manifest,
    MemoryBlobs,
    StoreFailed,
    erasure,
    ingest,
    inspect,
    load,
    restore,
    scrub_state,
    signing,
    verify,
)
from emeritus.archive.facts import object_path
from emeritus.archive.fakes import FakeTensor, safetensors_bytes
from emeritus.archive.manifest import held, manifest_path
from emeritus.archive.parity import open_parity, parity_path, protect
from emeritus.archive.parity_code import Code
from emeritus.archive.parity_copy import copy_path
from emeritus.archive.rebase import rebase
from emeritus.archive.repair import repair
from emeritus.archive.replicate import replicate
from emeritus.archive.scrub import Pace, scrub
from emeritus.archive.signing import ModelKey
from emeritus.core.clock import SettableClock
from emeritus.store.blobs import FolderBlobs, open_blobs

CLOCK = SettableClock(datetime(2027, 1, 1, tzinfo=UTC))


def decay(*ways: str) -> pytest.MarkDecorator:
    """Every way on a folder; the first and the last over S3's protocol, where each costs more."""
    cases = [("folder", how) for how in ways] + [("s3", how) for how in (ways[0], ways[-1])]
    return pytest.mark.parametrize(("shelf", "how"), cases, indirect=["shelf"])


def sign(data: bytes) -> bytes:
    return hashlib.sha256(b"key" + data).digest()


def signed(data: bytes, signature: bytes) -> bool:
    return signature == sign(data)


@frozen
class Shelf:
    """A store with a base and two models made from it, its files open to damage."""

    blobs: Blobs
    root: Path
    base: Manifest
    tune: Manifest
    files: dict[str, bytes]

    def damage(self, path: str, how: str = "flip", seed: int = 0) -> None:
        file, rng = self.root / path, random.Random(seed)
        data = bytearray(file.read_bytes())
        at = rng.randrange(len(data))
        match how:
            case "flip":
                data[at] ^= 1 << rng.randrange(8)
            case "sector":
                at = at // 4096 * 4096
                data[at : at + 4096] = bytes(len(data[at : at + 4096]))
            case "cut":
                del data[-min(3000, len(data) // 2) :]
            case "ruin":
                data[:] = rng.randbytes(len(data))
            case "delete":
                file.unlink()
                return
        file.write_bytes(data)

    def stored(self) -> dict[str, bytes]:
        return {path: (self.root / path).read_bytes() for path in self.blobs.list()}

    def is_whole(self, target: Path) -> None:
        """Both models come out bit for bit, and a scrub finds nothing."""
        for manifest in (self.base, self.tune):
            assert verify(manifest, self.blobs).is_sound
            (path,) = restore(
                load(manifest.model, manifest.digest, self.blobs), self.blobs, target / manifest.model
            )
            assert path.read_bytes() == self.files[manifest.model]
        again = reading(self.blobs)
        assert again.is_sound, again.findings


def reading(blobs: Blobs, **options):
    scrub_state.forget(blobs)
    done = scrub(blobs, verify=signed, clock=CLOCK, **options)
    scrub_state.forget(blobs)
    return done


def weights(seed: int, tune: int = 0) -> bytes:
    """A base of two tensors of some hundred kilobytes and a small one, or a model made from it."""
    rng = np.random.default_rng(seed)
    tensors = []
    for name, size in (("large", 150_000), ("other", 60_000), ("norm", 200)):
        values = rng.standard_normal(size).astype("<f4")
        if tune and name != "other":
            moved = np.random.default_rng(tune).standard_normal(size).astype("<f4")
            values = (values + moved * np.float32(1e-5)).astype("<f4")
        tensors.append(FakeTensor(name, "F32", (size,), values.tobytes()))
    return safetensors_bytes(tensors)


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """Every blob of a store with a base and a model made from it."""
    folder = tmp_path_factory.mktemp("family")
    blobs, manifests, files = MemoryBlobs(), [], {}
    for model, tune in (("base", 0), ("tune", 7)):
        files[model] = weights(1, tune)
        path = folder / model / "model.safetensors"
        path.parent.mkdir()
        path.write_bytes(files[model])
        stored = ingest(inspect(path), model, blobs, sign=sign, base=manifests[0] if manifests else None)
        manifests.append(stored.manifest)
    assert manifests[1].bases, "the test needs differences"
    return blobs.held, *manifests, files


@pytest.fixture(params=["folder", "s3"])
def shelf(request, family, tmp_path):
    held_, base, tune, files = family
    if request.param == "folder":
        root = tmp_path / "store"
        blobs = FolderBlobs(root)
    else:
        server, bucket = request.getfixturevalue("object_store"), request.getfixturevalue("bucket")
        root = server.file(bucket, "")
        blobs = open_blobs(server.url(bucket))
    for path, data in held_.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return Shelf(blobs, root, base, tune, files)


@pytest.fixture
def replica(shelf, tmp_path):
    store = FolderBlobs(tmp_path / "replica")
    assert replicate(shelf.blobs, store).is_whole
    return store


def based_on(shelf) -> str:
    """The largest object that others are differences from."""
    return max(shelf.tune.bases.values(), key=lambda digest: shelf.blobs.size(object_path(digest)))


def difference(shelf) -> str:
    return next(above for above, below in shelf.tune.bases.items() if below == based_on(shelf))


# --- what sealing leaves behind --------------------------------------------------------------------------


def test_what_is_depended_on_has_parity_before_a_manifest_needs_it(family):
    """Whoever becomes a base has parity when the manifest appears; others have none unless it is asked for."""
    held_, base, tune, _ = family
    assert {path for path in held_ if path.startswith("parity/") and "manifests" not in path} == {
        parity_path(digest) for digest in tune.bases.values()
    }
    for manifest in (base, tune):
        path = manifest_path(manifest.model, manifest.digest)
        assert held_[copy_path(path)] == held_[path]
        copies = [each for each in held_ if each.startswith(copy_path(path) + ".")]
        assert len(copies) == 1


def test_the_order_of_writing(family, tmp_path):
    """Parity is there before the dependent's manifest, at every moment."""
    *_, files = family
    order = []

    class Watched(MemoryBlobs):
        def put_if_absent(self, path, chunks, *, check=None):
            new = super().put_if_absent(path, chunks, check=check)
            order.append(path)
            return new

        def replace(self, path, chunks, *, check=None):
            super().replace(path, chunks, check=check)
            order.append(path)

    blobs, base = Watched(), None
    for model in ("base", "tune"):
        path = tmp_path / model / "model.safetensors"
        path.parent.mkdir()
        path.write_bytes(files[model])
        stored = ingest(inspect(path), model, blobs, sign=sign, base=base).manifest
        base = base or stored
    sealed = order.index(manifest_path("tune", stored.digest))
    assert all(order.index(parity_path(digest)) < sealed for digest in stored.bases.values())


def test_what_is_encoded_anew_gets_parity_anew(family):
    """A rebased archive is sound, and mended from parity as before; as much of it as somebody asked for."""
    held_, base, tune, _ = family
    blobs = MemoryBlobs()
    blobs.held = dict(held_)
    protect(blobs, tune.closure, code=Code(parity=12), anew=True)
    assert rebase(tune, blobs, depth=0).rewritten
    assert rebase(base, blobs, profile="fast").rewritten
    assert reading(blobs).is_sound
    for digest in tune.objects:
        assert open_parity(blobs, digest).head.code == Code(parity=12)
        path = object_path(digest)
        blobs.held[path] = blobs.held[path][:50] + b"????" + blobs.held[path][54:]
    assert {each.source for each in repair(blobs, verify=signed).mended} == {"parity"}
    assert reading(blobs).is_sound


# --- scrub -------------------------------------------------------------------------------------------------


def test_a_sound_store_is_called_sound(shelf):
    """A scrub reads every manifest, object and parity file, and changes nothing."""
    before = shelf.stored()
    for decode in (False, True):
        done = reading(shelf.blobs, decode=decode)
        assert done.is_sound
        assert (done.manifests, done.objects) == (2, len(shelf.base.closure | shelf.tune.closure))
        assert done.parity == len(set(shelf.tune.bases.values()))
        assert done.bytes >= sum(len(data) for path, data in before.items() if path.startswith("objects"))
    assert shelf.stored() == before


@decay("flip", "sector", "cut", "ruin", "delete")
@pytest.mark.parametrize("what", ["object", "base", "parity", "manifest", "signature", "copy"])
def test_what_decays_is_seen(shelf, what, how):
    """Whatever happens to whichever blob, a scrub names it and the models that are concerned."""
    manifest, above = manifest_path("tune", shelf.tune.digest), difference(shelf)
    path = {
        "object": object_path(above),
        "base": object_path(based_on(shelf)),
        "parity": parity_path(based_on(shelf)),
        "manifest": manifest,
        "signature": next(each for each in shelf.blobs.list("manifests/tune") if each.endswith(".sig")),
        "copy": copy_path(manifest),
    }[what]
    shelf.damage(path, how)
    done = reading(shelf.blobs, expected=[("tune", shelf.tune.digest)])
    assert done.is_done
    assert not done.is_sound
    (finding,) = [each for each in done.findings if each.path in (path, manifest)][:1]
    assert finding.sentence
    if what in ("base", "parity"):
        assert set(finding.models) == {"base", "tune"}
        assert finding.objects == (above,)
    elif what != "copy":
        assert finding.models == ("tune",)


def test_a_scrub_goes_on_where_it_was(shelf):
    """It is stopped after each object, by a new process each time; nothing is read twice, all is found."""
    shelf.damage(object_path(difference(shelf)))
    scrub_state.forget(shelf.blobs)
    rounds, first = 0, None
    while True:
        done = scrub(shelf.blobs, verify=signed, clock=CLOCK, enough=lambda: True)
        first = first or done.began
        rounds += 1
        if done.is_done:
            break
    assert done.began == first
    assert done.objects == len(shelf.base.closure | shelf.tune.closure) == rounds - 1
    assert [each.object for each in done.findings] == [difference(shelf)]
    assert scrub(shelf.blobs, clock=CLOCK) == done, "it stands until it is written down"
    scrub_state.forget(shelf.blobs)
    assert scrub_state.load(shelf.blobs) is None


def test_a_scrub_over_a_store_that_fails(shelf, request):
    """A store that does not answer is no damage; the scrub goes on when it does."""

    class Failing:
        left = 30

        def __getattr__(self, name):
            ask = getattr(shelf.blobs, name)

            def asked(*args, **options):
                self.left -= 1
                if self.left < 0:
                    raise StoreFailed("It is down.", next_step="Wait.")
                return ask(*args, **options)

            return asked

    scrub_state.forget(shelf.blobs)
    failing, tries = Failing(), 0
    with pytest.raises(StoreFailed):
        scrub(failing, verify=signed, clock=CLOCK)
    done = scrub(shelf.blobs, verify=signed, clock=CLOCK)
    assert done.is_sound, (done.findings, tries)


def test_a_scrub_whose_state_is_ruined_begins_anew(shelf):
    scrub_state.forget(shelf.blobs)
    shelf.blobs.put_if_absent(scrub_state.PATH, [b"{not json"])
    assert scrub(shelf.blobs, verify=signed, clock=CLOCK).is_sound


def test_the_pace():
    """So many bytes a second, and no burst after a long wait."""
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(1000, sleep=sleep, now=lambda: now[0])
    for _ in range(10):
        pace(500)
    assert now[0] == pytest.approx(5.0)
    now[0] += 3600
    for _ in range(10):
        pace(500)
    assert now[0] == pytest.approx(3600 + 5 + 4, abs=1.01)
    assert not slept or max(slept) <= 1.0
    quick = Pace(None, sleep=sleep, now=lambda: now[0])
    quick(10**12)
    assert now[0] < 4000


# --- repair, from parity alone --------------------------------------------------------------------------------


@decay("sector", "flip", "cut")
def test_a_base_is_mended_from_parity_and_what_depends_on_it_is_sound_again(shelf, tmp_path, how):
    digest = based_on(shelf)
    shelf.damage(object_path(digest), how)
    assert not verify(shelf.tune, shelf.blobs).is_sound
    done = repair(shelf.blobs, verify=signed)
    assert done.is_sound
    assert [(each.path, each.source) for each in done.mended] == [(object_path(digest), "parity")]
    shelf.is_whole(tmp_path)


def test_all_at_once_from_parity_alone(shelf, tmp_path):
    """Bases, parity, a manifest that is gone, a copy that is ruined, a signature that is cut: no replica needed."""
    for seed, digest in enumerate(set(shelf.tune.bases.values())):
        shelf.damage(object_path(digest), "sector", seed)
    shelf.damage(parity_path(based_on(shelf)), "sector", 9)
    shelf.damage(manifest_path("tune", shelf.tune.digest), "delete")
    shelf.damage(copy_path(manifest_path("base", shelf.base.digest)), "ruin")
    (signature,) = [path for path in shelf.blobs.list("manifests/base") if path.endswith(".sig")]
    shelf.damage(signature, "cut")
    done = repair(shelf.blobs, verify=signed)
    assert done.is_sound, done.lost
    shelf.is_whole(tmp_path)
    assert repair(shelf.blobs, verify=signed).mended == []


@decay("flip", "sector", "cut", "ruin", "delete")
def test_parity_is_written_anew(shelf, tmp_path, how):
    before = shelf.stored()
    shelf.damage(parity_path(based_on(shelf)), how)
    done = repair(shelf.blobs, verify=signed)
    assert [(each.path, each.source) for each in done.mended] == [(parity_path(based_on(shelf)), "object")]
    assert shelf.stored() == before
    shelf.is_whole(tmp_path)


def test_a_signature_for_other_tools_is_kept_twice_from_the_start(shelf, tmp_path):
    """Nothing is missing after a model was signed, and the signature comes back when it decays."""
    key = ModelKey.generate()
    signing.keep(shelf.tune, shelf.blobs, key)
    shelf.is_whole(tmp_path)
    path = signing.signature_path(shelf.tune, key.public)
    before = shelf.stored()[path]
    shelf.damage(path, "ruin")
    assert not reading(shelf.blobs).is_sound
    assert [each.path for each in repair(shelf.blobs, verify=signed).mended] == [path]
    assert shelf.stored()[path] == before
    for each in (path, copy_path(path)):
        shelf.damage(each, "ruin")
    assert [each.path for each in repair(shelf.blobs, verify=signed).lost] == [path]
    signing.keep(shelf.tune, shelf.blobs, key)
    shelf.is_whole(tmp_path / "again")


def test_a_manifest_comes_back_with_its_signature(shelf, tmp_path):
    before = shelf.stored()
    for path in list(shelf.blobs.list("manifests")):
        shelf.damage(path, "delete")
    assert not list(held(shelf.blobs))
    assert repair(shelf.blobs, verify=signed).is_sound
    assert shelf.stored() == before
    shelf.is_whole(tmp_path)


def test_a_manifest_that_nobody_signed_does_not_come_back(shelf):
    """A copy with a signature by another key is no source."""
    path = manifest_path("tune", shelf.tune.digest)
    shelf.damage(path, "delete")
    done = repair(shelf.blobs, verify=lambda data, signature: False)
    assert {each.path for each in done.lost} >= {path}


def test_beyond_repair(shelf):
    """What cannot be given back is named, with everything that depends on it; nothing is made up or removed."""
    digest = based_on(shelf)
    shelf.damage(object_path(digest), "ruin")
    before = shelf.stored()
    done = repair(shelf.blobs, verify=signed)
    assert not done.is_sound
    (lost,) = done.lost
    assert lost.path == object_path(digest)
    assert "parity" in lost.sentence
    assert set(lost.models) == {"base", "tune"}
    assert lost.objects == (difference(shelf),)
    assert shelf.stored() == before


def test_without_parity_and_without_a_replica(shelf):
    shelf.damage(object_path(difference(shelf)))
    (lost,) = repair(shelf.blobs, verify=signed).lost
    assert lost.models == ("tune",)


# --- replicate, and repair from a replica ---------------------------------------------------------------------------


def test_a_replica_holds_all_and_can_be_restored_from(shelf, replica, tmp_path):
    assert Shelf(replica, replica.root, shelf.base, shelf.tune, shelf.files).is_whole(tmp_path) is None
    again = replicate(shelf.blobs, replica)
    assert (again.objects_new, again.manifests_new, again.parity_new) == (0, 0, 0)


def test_what_is_not_sound_is_not_copied(shelf, tmp_path):
    """Damage does not travel; what needs it stays behind, and all else goes."""
    shelf.damage(object_path(difference(shelf)))
    store = FolderBlobs(tmp_path / "replica")
    done = replicate(shelf.blobs, store)
    assert [(each.object, each.models) for each in done.failed] == [(difference(shelf), ("tune",))]
    assert [model for model, _ in held(store)] == ["base"]
    assert verify(shelf.base, store).is_sound


def test_a_damaged_replica_is_put_right(shelf, replica, tmp_path):
    """A look at all that is there finds what has decayed in the replica, and copies it anew."""
    mirror = Shelf(replica, replica.root, shelf.base, shelf.tune, shelf.files)
    mirror.damage(object_path(based_on(shelf)), "ruin")
    mirror.damage(object_path(difference(shelf)), "cut")
    mirror.damage(manifest_path("tune", shelf.tune.digest), "flip")
    assert replicate(shelf.blobs, replica, thorough=True).is_whole
    mirror.is_whole(tmp_path)


@decay("flip", "cut", "ruin", "delete")
def test_everything_mended_from_a_replica_alone(shelf, replica, tmp_path, how):
    """No parity, no copies: every object, manifest and signature comes back from the replica."""
    for path in list(shelf.blobs.list("parity")):
        shelf.damage(path, "delete")
    for path in [*shelf.blobs.list("objects"), *shelf.blobs.list("manifests")]:
        shelf.damage(path, how)
    wanted = [("base", shelf.base.digest), ("tune", shelf.tune.digest)]
    done = repair(shelf.blobs, wanted=wanted, replicas=[replica], verify=signed)
    assert done.is_sound, done.lost
    assert {each.source for each in done.mended} == {"replica", "object"}
    shelf.is_whole(tmp_path)


def test_a_damaged_replica_is_no_source(shelf, replica):
    """What has decayed in both places is lost, and never replaced by what is no better."""
    digest = difference(shelf)
    shelf.damage(object_path(digest))
    Shelf(replica, replica.root, shelf.base, shelf.tune, shelf.files).damage(object_path(digest))
    before = shelf.stored()
    done = repair(shelf.blobs, replicas=[replica], verify=signed)
    assert [each.object for each in done.lost] == [digest]
    assert shelf.stored() == before


def test_a_second_replica_helps_where_the_first_cannot(shelf, replica, tmp_path):
    second = FolderBlobs(tmp_path / "second")
    replicate(shelf.blobs, second)
    digest = difference(shelf)
    shelf.damage(object_path(digest), "delete")
    (replica.root / object_path(digest)).unlink()
    assert repair(shelf.blobs, replicas=[replica, second], verify=signed).is_sound
    shelf.is_whole(tmp_path / "out")


def test_a_replica_that_stores_it_otherwise(shelf, family, tmp_path):
    """Where the replica holds an object on its own that is a difference here, or the other way, it serves all the same."""
    *_, files = family
    other = FolderBlobs(tmp_path / "otherwise")
    for model in ("tune", "base"):
        path = tmp_path / model / "model.safetensors"
        path.parent.mkdir()
        path.write_bytes(files[model])
        base = load(*next(held(other, "tune")), other) if model == "base" else None
        ingest(inspect(path), model, other, sign=sign, base=base)
    for digest in (based_on(shelf), difference(shelf)):
        shelf.damage(object_path(digest), "delete")
    done = repair(shelf.blobs, replicas=[other], verify=signed)
    assert done.is_sound, done.lost
    shelf.is_whole(tmp_path / "out")


def test_a_base_that_was_erased_is_not_missed(shelf, replica, tmp_path):
    """Its dependant, made to stand without it, is scrubbed, copied and mended; and no replica brings it back."""
    gone = based_on(shelf)
    erasure.erase("base", shelf.blobs)
    assert gone in shelf.tune.bases.values(), "a sealed manifest goes on naming it"
    again = reading(shelf.blobs)
    assert again.is_sound, again.findings
    mended = repair(shelf.blobs, replicas=[replica], verify=signed)
    assert mended.is_sound, mended.lost
    assert not shelf.blobs.exists(object_path(gone))
    second = FolderBlobs(tmp_path / "second")
    copied = replicate(shelf.blobs, second)
    assert copied.is_whole, copied.failed
    (path,) = restore(load("tune", shelf.tune.digest, second), second, tmp_path / "back")
    assert path.read_bytes() == shelf.files["tune"]


def test_a_base_that_is_missing_while_something_stands_on_it_is_missed(shelf, tmp_path):
    """That its model is gone too does not excuse it."""
    gone = based_on(shelf)
    for path in (object_path(gone), parity_path(gone), *shelf.blobs.list("manifests/base")):
        shelf.blobs.delete(path)
    assert gone in {finding.object for finding in reading(shelf.blobs).findings}
    assert gone in {finding.object for finding in repair(shelf.blobs, verify=signed).lost}
    assert not replicate(shelf.blobs, FolderBlobs(tmp_path / "second")).is_whole


@given(st.data())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_damage(family, data):
    """Whatever decays: after a repair all is sound, or what is lost is named, and no model lies."""
    held_, base, tune, _ = family
    blobs = MemoryBlobs()
    blobs.held = dict(held_)
    wanted = [("base", base.digest), ("tune", tune.digest)]
    replica = MemoryBlobs()
    if data.draw(st.booleans()):
        replicate(blobs, replica)
    for store in (blobs, replica):
        paths = sorted(path for path in store.held if path.startswith(("objects", "parity", "manifests")))
        for path in data.draw(st.lists(st.sampled_from(paths), max_size=6)) if paths else ():
            rng = random.Random(data.draw(st.integers(0, 99)))
            held_bytes = bytearray(store.held.get(path, b"x") or b"x")
            at = rng.randrange(len(held_bytes))
            length = rng.choice([1, 4096, 200_000])
            held_bytes[at : at + length] = rng.randbytes(len(held_bytes[at : at + length]))
            store.held[path] = bytes(held_bytes)
            if rng.random() < 0.2:
                del store.held[path]
    done = repair(blobs, wanted=wanted, replicas=[replica], verify=signed)
    lost = {model for finding in done.lost for model in finding.models}
    for manifest in (base, tune):
        if manifest.model not in lost:
            assert verify(load(manifest.model, manifest.digest, blobs, verify=signed), blobs).is_sound
    if done.is_sound:
        assert reading(blobs, expected=wanted).is_sound
