"""What leaves the house in an escrow is whole, signed, readable and checkable without the house."""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import bagit
import pytest
from attrs import evolve

from emeritus.archive.escrow import Bag, TargetForeign, check
from emeritus.core.errors import Conflict, EmeritusError, InvalidInput, NotFound, NotPermitted, Unavailable
from emeritus.process.escrow import Order, estimate, make
from emeritus.record import SigningKey
from emeritus.store.blobs import FolderBlobs

from .conftest import ADA, KEY, RAY, SECRET, gguf, tensors, tuned, weights


def escrow(house, *models, target=None, **more):
    order = Order(models or ("base-1",), target or house.folder / "bag", **more)
    return make(house.parts, order, KEY.verify_key, FolderBlobs, by=ADA)


def openssl(bag: Path) -> int:
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "organisation-key.pem", "-rawin"]
    command += ["-in", "tagmanifest-sha256.txt", "-sigfile", "tagmanifest-sha256.txt.sig"]
    return subprocess.run(command, cwd=bag, capture_output=True, check=False).returncode


def sha256sum(bag: Path) -> int:
    command = ["sha256sum", "--check", "--quiet", "manifest-sha256.txt", "tagmanifest-sha256.txt"]
    return subprocess.run(command, cwd=bag, capture_output=True, check=False).returncode


def alone(script: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Run a script of the bag in a Python that has no packages but, by path, numpy and zstandard."""
    places = {
        str(Path(importlib.util.find_spec(name).origin).parent.parent) for name in ("numpy", "zstandard")
    }
    block = "for name in ('emeritus', 'blake3', 'msgspec', 'attrs'): sys.modules[name] = None\n"
    program = (
        f"import runpy, sys\nsys.path += {sorted(places)!r}\n{block}"
        f"sys.argv = {[str(script), *map(str, arguments)]!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False, timeout=120
    )


def test_a_retirement_goes_into_escrow_and_comes_out_by_itself(house, tmp_path):
    """The bag is valid to BagIt's own tool, sha256sum, OpenSSL, its own script and us; the weights come back."""
    facts = escrow(house, recipient="The National Library")
    bag = facts.path
    assert bag == house.folder / "bag"
    bagit.Bag(str(bag)).validate()
    assert (sha256sum(bag), openssl(bag)) == (0, 0)
    report = check(bag, FolderBlobs, key=KEY.verify_key)
    assert report.findings == ()
    assert (report.models, report.organisation, report.digest) == (("base-1",), "Example Lab", facts.digest)
    assert (report.files, report.size) == (facts.files, facts.size)
    checked = alone(bag / "check.py")
    assert (checked.returncode, checked.stderr) == (0, "")
    restored = alone(bag / "data/archive/restore.py", "base-1", tmp_path / "out")
    assert (restored.returncode, restored.stderr) == (0, "")
    source = house.folder / "sources" / "base-1"
    for path in source.rglob("*"):
        if path.is_file():
            assert (tmp_path / "out" / path.relative_to(source)).read_bytes() == path.read_bytes()
    (entry,) = house.entries("archive.escrowed", model="base-1")
    assert entry.body["bag"] == facts.digest
    assert entry.body["recipient"] == "The National Library"
    assert entry.by == ADA


def test_everything_that_is_known_is_in_it_and_readable(house):
    """Interview, wishes, decisions, essays, words, record and terms are there, in plain files."""
    bag = escrow(house).path
    model = bag / "data/models/base-1"
    readme = (bag / "README.txt").read_text()
    for said in ("Example Lab", "Apache-2.0", "restore.py base-1", str(KEY.verify_key), "openssl"):
        assert said in readme
    assert all(len(line) <= 160 for line in readme.splitlines())
    sitting = json.loads((model / "interview/sitting-1.json").read_bytes())
    assert sitting["exchanges"]
    transcript = (model / "interview/sitting-1.txt").read_text()
    for exchange in sitting["exchanges"]:
        assert exchange["utterance"]["text"] in transcript
    (confirmed,) = json.loads((model / "preferences.json").read_bytes())["confirmed"]
    assert confirmed["decision"]["reason"] == "not now"
    assert "In a library." in (model / "about.txt").read_text()
    (essay,) = (model / "essays").iterdir()
    (published,) = house.entries("essay.published", model="base-1")
    assert "sha256:" + hashlib.sha256(essay.read_bytes()).hexdigest() == published.body["text_digest"]
    kinds = {json.loads(path.read_bytes())["kind"] for path in (bag / "data/record/entries").iterdir()}
    assert {
        "organisation.founded",
        "key.adopted",
        "weights.archived",
        "essay.published",
        "protocol.adopted",
    } <= kinds
    for path in bag.rglob("*"):
        if path.is_file() and path.suffix in (".txt", ".json", ".md", ".py"):
            path.read_bytes().decode()


def test_restored_files_where_that_is_wanted(house):
    """--plain holds the original files, checked in the same ways."""
    bag = escrow(house, plain=True).path
    source = house.folder / "sources" / "base-1"
    held = bag / "data/weights/base-1"
    for path in source.rglob("*"):
        if path.is_file():
            assert (held / path.relative_to(source)).read_bytes() == path.read_bytes()
    bagit.Bag(str(bag)).validate()
    assert check(bag, FolderBlobs, key=KEY.verify_key).is_sound
    assert not (bag / "data/archive").exists()


def test_the_signature_of_the_model_is_for_the_tool_of_others(house, tmp_path):
    """model.sig in the bag satisfies OpenSSF Model Signing on what restore.py gives back."""
    bag = escrow(house).path
    assert alone(bag / "data/archive/restore.py", "base-1", tmp_path / "out").returncode == 0
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(tmp_path / "out"), "--signature"]
    command += [str(bag / "data/models/base-1/model.sig"), "--public_key"]
    command += [str(bag / "data/models/base-1/model.pub.pem")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (tmp_path / "out" / "config.json").write_bytes(b"{ }")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_a_family_goes_in_with_what_it_stands_on(house):
    """A difference brings its base, also when the base's own model stays outside."""
    data = tensors(1)
    house.add("tune-1", {"model.safetensors": weights(tuned(data, 2))}, base="base-1")
    house.announce("tune-1")
    bag = escrow(house, "tune-1").path
    assert check(bag, FolderBlobs, key=KEY.verify_key).findings == ()
    out = house.folder / "tune"
    assert alone(bag / "data/archive/restore.py", "tune-1", out).returncode == 0
    assert (out / "model.safetensors").read_bytes() == weights(tuned(data, 2))
    assert not (bag / "data/archive/manifests/base-1").exists()
    base, tune, both = (
        estimate(house.parts, Order(models, house.folder / "both"), by=ADA).weights
        for models in (("base-1",), ("tune-1",), ("base-1", "tune-1"))
    )
    assert max(base, tune) < both < base + tune // 2  # what they share is counted once


def test_several_models_share_one_bag(house):
    """Two models in one bag, each restored and checked; what they share is there once."""
    house.add("other-1", {"other.gguf": gguf(5)})
    house.announce("other-1")
    facts = escrow(house, "base-1", "other-1")
    report = check(facts.path, FolderBlobs)
    assert (report.findings, report.models) == ((), ("base-1", "other-1"))
    for model in ("base-1", "other-1"):
        assert [entry.body["bag"] for entry in house.entries("archive.escrowed", model=model)] == [
            facts.digest
        ]


def test_every_changed_file_is_seen(house):
    """Whichever file of a bag changes by a byte, is cut, or goes: we, sha256sum or OpenSSL notice, and name it."""
    bag = escrow(house).path
    files = sorted(path for path in bag.rglob("*") if path.is_file())
    assert len(files) > 40
    for path in files:
        sound = path.read_bytes()
        for changed in (
            sound[: len(sound) // 2] + bytes([sound[len(sound) // 2] ^ 1]) + sound[len(sound) // 2 + 1 :],
            None,
        ):
            path.unlink()
            if changed is not None:
                path.write_bytes(changed)
            if path.name == "tagmanifest-sha256.txt" and changed is None:
                with pytest.raises(InvalidInput):
                    check(bag, FolderBlobs)
                continue
            if path.name == "bagit.txt" and changed is None:
                with pytest.raises(InvalidInput):
                    check(bag, FolderBlobs)
            else:
                assert not check(bag, FolderBlobs).is_sound, path
            assert sha256sum(bag) or openssl(bag), path
        path.write_bytes(sound)
    assert check(bag, FolderBlobs).is_sound


def test_its_own_script_sees_changed_files_too(house):
    """check.py, with Python alone, names what was changed in payload, lists, record and words."""
    bag = escrow(house).path
    some = [next((bag / "data").glob(pattern)) for pattern in (
        "archive/objects/*/*", "record/entries/*.json", "models/*/words/*.json", "record/proofs.json", "escrow.json"
    )]  # fmt: skip
    for path in [*some, bag / "README.txt"]:
        sound = path.read_bytes()
        path.write_bytes(sound.replace(sound[5:6], b"~", 1))
        done = alone(bag / "check.py")
        assert done.returncode == 1, path
        path.write_bytes(sound)
    (bag / "data/more.txt").write_text("more")
    assert "on no list" in alone(bag / "check.py").stdout


def test_files_that_no_list_names_are_seen(house):
    """Nothing can be slipped in, neither a file nor a link."""
    bag = escrow(house).path
    for name in ("extra.txt", "data/extra.txt"):
        (bag / name).write_text("x")
        assert [finding.where for finding in check(bag, FolderBlobs).findings] == [name]
        (bag / name).unlink()
    (bag / "data/link").symlink_to("/etc/hostname")
    assert not check(bag, FolderBlobs).is_sound


def resigned(bag: Path, key: SigningKey) -> None:
    """Write all lists anew and sign them, as a forger would."""
    from emeritus.process.papers import key_pem

    (bag / "data/record/key.txt").write_text(f"{key.verify_key}\n")
    (bag / "organisation-key.pem").write_bytes(key_pem(key.verify_key))

    def lines(paths):
        return "".join(
            f"{hashlib.sha256((bag / path).read_bytes()).hexdigest()}  {path}\n" for path in sorted(paths)
        )

    payload = [path.relative_to(bag).as_posix() for path in (bag / "data").rglob("*") if path.is_file()]
    (bag / "manifest-sha256.txt").write_text(lines(payload))
    tags = [
        "README.txt",
        "bag-info.txt",
        "bagit.txt",
        "check.py",
        "manifest-sha256.txt",
        "organisation-key.pem",
    ]
    tagged = lines(tags).encode()
    (bag / "tagmanifest-sha256.txt").write_bytes(tagged)
    (bag / "tagmanifest-sha256.txt.sig").write_bytes(key.sign(tagged))


def test_a_forger_who_signs_anew_is_found_out_by_the_key_one_knows(house):
    """With consistent lists and another key, the record does not follow; nor does the key that one knows."""
    bag = escrow(house).path
    resigned(bag, KEY)
    assert check(bag, FolderBlobs, key=KEY.verify_key).is_sound
    resigned(bag, SigningKey.generate("record.example.org"))
    assert openssl(bag) == 0
    for key in (None, KEY.verify_key):
        assert not check(bag, FolderBlobs, key=key).is_sound


def test_a_key_that_was_handed_on_is_followed(house):
    """After a rotation the first key, which one may know for years, is enough; a stranger's is not."""
    new = SigningKey.generate(KEY.name)
    with house.parts.work() as work:
        work.log.rotate(new, by=ADA, reason="yearly")
    parts = evolve(house.parts, sign=new.sign, verify=lambda *_: True)
    bag = make(parts, Order(("base-1",), house.folder / "bag"), new.verify_key, FolderBlobs, by=ADA).path
    for key in (None, KEY.verify_key, new.verify_key):
        assert check(bag, FolderBlobs, key=key).findings == ()
    stranger = SigningKey.generate(KEY.name).verify_key
    assert not check(bag, FolderBlobs, key=stranger).is_sound


@pytest.mark.parametrize(
    "victim", ["essays", "words", "interview", "preferences.json", "entries", "manifest.json"]
)
def test_even_the_organisation_cannot_rewrite_what_is_on_the_record(house, victim):
    """Lists written anew with the right key: words, essays, entries and weights still betray a change."""
    bag = escrow(house).path
    path = next(path for path in sorted(bag.rglob("*")) if victim in path.parts and path.is_file()) if victim in (
        "preferences.json", "manifest.json"
    ) else next(path for path in sorted(bag.rglob("*")) if victim in path.parts[:-1] and path.is_file())  # fmt: skip
    data = path.read_bytes()
    path.write_bytes(data.replace(b"e", b"a", 1))
    resigned(bag, KEY)
    sound = check(bag, FolderBlobs, key=KEY.verify_key).is_sound
    # A readable rendering is not on the record itself; the words and entries that it renders are.
    assert sound == (victim in ("interview", "preferences.json"))


def test_what_the_model_keeps_to_itself_stays(new_house):
    """Without its consent the answers of the interview are in no file; its wishes are, as it was told."""
    house = new_house("no")
    house.add("quiet-1", {"model.safetensors": weights(tensors(9))})
    house.retire("quiet-1")
    bag = escrow(house, "quiet-1").path
    model = bag / "data/models/quiet-1"
    assert not (model / "interview").exists()
    assert "did not say yes" in (model / "about.txt").read_text()
    with house.parts.work() as work:
        answers = {
            work.utterances.get(entry.body["utterance"]).text
            for entry in work.log.entries(model="quiet-1", kinds={"sitting.turn"})
            if entry.body["kind"] != "summary"
        }
    told = b"\n".join(path.read_bytes() for path in bag.rglob("*") if path.is_file())
    long = {answer for answer in answers if len(answer) > 40}
    assert long
    assert [answer for answer in long if answer.encode() in told] == []
    assert b"I would like to write." in told


def test_private_facts_never_enter(house):
    """Who applied, where weights came from and which address a remote has: in no file of the bag."""
    from emeritus.access import applications

    house.add("far-1", None)
    with house.parts.work() as work:
        work.private.put("remote:far-1", {"base_url": f"https://{SECRET}", "key_env": "X"})
        made = applications.apply(
            work.log,
            work.private,
            house.clock,
            models=["base-1"],
            who=SECRET,
            contact=SECRET,
            purpose=f"asked by {SECRET}",
        )
    bag = escrow(house, "base-1", "far-1").path
    told = b"\n".join(path.read_bytes() for path in bag.rglob("*") if path.is_file())
    assert SECRET.encode() not in told
    assert made.application.id.encode() not in told
    assert str(house.folder).encode() not in told
    assert check(bag, FolderBlobs).is_sound
    assert json.loads((bag / "data/escrow.json").read_bytes())["models"][1]["weights"] == "none"


class Killed(BaseException):
    """The process ends here."""


def test_killed_at_any_write_it_goes_on_and_one_bag_appears(house, monkeypatch):
    """Nothing is visible before all of it is; the next run uses what is there; one entry stands in the end."""
    from emeritus.archive import drafts

    published = drafts.Draft.publish
    names: list[str] = []

    def count(self, path, *, replace=False):
        names.append(path.name)
        return published(self, path, replace=replace)

    with monkeypatch.context() as patch:
        patch.setattr(drafts.Draft, "publish", count)
        escrow(house, target=house.folder / "whole")
    for moment in [0, 1, 2, 3, len(names) // 2, len(names) - 3, len(names) - 2, len(names) - 1]:
        left, target = moment, house.folder / f"bag-{moment}"

        def die(self, path, *, replace=False):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return published(self, path, replace=replace)

        with monkeypatch.context() as patch:
            patch.setattr(drafts.Draft, "publish", die)
            with pytest.raises(Killed):
                escrow(house, target=target)
        assert not target.exists()
        facts = escrow(house, target=target)
        assert check(target, FolderBlobs, key=KEY.verify_key).findings == ()
        told = [entry for entry in house.entries("archive.escrowed") if entry.body["bag"] == facts.digest]
        assert len(told) == 1
    assert not [path for path in house.folder.iterdir() if path.name.startswith(".")]


def test_killed_between_the_entry_and_its_effect(house, monkeypatch):
    """The bag that is on the record is the one that appears; no second entry is made."""

    def die(self):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Bag, "finish", die)
        with pytest.raises(Killed):
            escrow(house)
    (entry,) = house.entries("archive.escrowed")
    assert escrow(house).digest == entry.body["bag"]
    assert len(house.entries("archive.escrowed")) == 1
    assert check(house.folder / "bag", FolderBlobs).is_sound


def test_killed_in_the_very_last_step(house, monkeypatch):
    """Sealed, recorded, its mark gone, not yet renamed: the next run lets the same bag appear."""
    renamed = Path.rename

    def die(self, target):
        if self.name.endswith(".unfinished"):
            raise Killed
        return renamed(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die)
        with pytest.raises(Killed):
            escrow(house)
    assert not (house.folder / "bag").exists()
    (entry,) = house.entries("archive.escrowed")
    assert escrow(house).digest == entry.body["bag"]
    assert check(house.folder / "bag", FolderBlobs).findings == ()


def test_what_a_kill_leaves_half_written_is_swept(house, monkeypatch):
    """Drafts of a writer that was killed with no time to tidy up are in no bag."""

    def die(self, *_args, **_more):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Bag, "seal", die)
        with pytest.raises(Killed):
            escrow(house)
    staging = house.folder / ".bag.unfinished"
    for folder in (staging, staging / "data/archive", staging / "data/models/base-1/words"):
        (folder / ".emeritus-0123456789abcdef.draft").write_bytes(b"half")
    (staging / "data/models/base-1/words/of-an-earlier-try.json").write_text("{}")
    bag = escrow(house).path
    assert check(bag, FolderBlobs, key=KEY.verify_key).findings == ()
    assert [path for path in bag.rglob("*") if path.name.startswith(".") or "earlier" in path.name] == []


def test_a_copy_that_was_damaged_meanwhile_is_made_anew(house, monkeypatch):
    """What an earlier try left is read back like everything else; damaged, it is refused, then copied again."""

    def die(self, *_args, **_more):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Bag, "seal", die)
        with pytest.raises(Killed):
            escrow(house)
    path = max((house.folder / ".bag.unfinished").rglob("objects/*/*"), key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(EmeritusError, match="does not restore"):
        escrow(house)
    escrow(house)
    assert check(house.folder / "bag", FolderBlobs).is_sound


def test_nothing_of_others_is_touched(house, tmp_path):
    """A folder with something in it, a file, a link: refused, and as it was."""
    target = house.folder / "bag"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(TargetForeign):
        escrow(house)
    assert [path.name for path in target.iterdir()] == ["mine.txt"]
    shutil.rmtree(target)
    target.symlink_to(tmp_path)
    with pytest.raises(TargetForeign):
        escrow(house)
    target.unlink()
    (house.folder / ".bag.unfinished").mkdir()
    (house.folder / ".bag.unfinished" / "mine.txt").write_text("mine")
    with pytest.raises(TargetForeign):
        escrow(house)
    assert house.entries("archive.escrowed") == []
    shutil.rmtree(house.folder / ".bag.unfinished")
    target.mkdir()
    escrow(house)


def test_who_may_and_what_cannot_be(house):
    """A steward only; known models only; weights that are in service still are not in the archive."""
    target = house.folder / "bag"
    with pytest.raises(NotPermitted):
        make(house.parts, Order(("base-1",), target), KEY.verify_key, FolderBlobs, by=RAY)
    with pytest.raises(NotFound):
        escrow(house, "nobody")
    with pytest.raises(InvalidInput):
        escrow(house, "base-1", "base-1")
    house.add("young-1", {"model.safetensors": weights(tensors(3))})
    with pytest.raises(Conflict):
        escrow(house, "young-1")
    with pytest.raises(InvalidInput):
        escrow(house, recipient="a\nb")
    assert house.entries("archive.escrowed") == []


def test_too_little_room_is_said_before_anything_is_copied(house, monkeypatch):
    """The estimate tells; making refuses by name and nothing appears."""
    told = estimate(house.parts, Order(("base-1",), house.folder / "deep" / "bag"), by=ADA)
    assert told.weights > 0
    assert told.free > 0
    usage = shutil.disk_usage(house.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: evolve_usage(usage, told.weights))
    with pytest.raises(Unavailable, match="free"):
        escrow(house)
    assert not (house.folder / "bag").exists()


def evolve_usage(usage, free):
    return type(usage)(usage.total, usage.used, free)


def test_a_folder_that_is_no_escrow_is_said_to_be_none(tmp_path):
    """Checking something else is refused in a sentence."""
    with pytest.raises(InvalidInput, match="no escrow"):
        check(tmp_path, FolderBlobs)


def test_hostile_lists_are_read_with_care(house):
    """Lines that lead outside, name twice, or are no lines become findings, never reads outside of the bag."""
    bag = escrow(house).path
    lists = bag / "manifest-sha256.txt"
    sound = lists.read_text()
    digest = "0" * 64
    for line in (
        f"{digest}  ../outside",
        f"{digest}  data/../../x",
        f"{digest}  /etc/passwd",
        "junk",
        sound.splitlines()[0],
    ):
        lists.write_text(f"{sound}{line}\n")
        assert any("cannot stand there" in finding.what for finding in check(bag, FolderBlobs).findings), line
    for data in (b"", b"\xff\xfe", b"{}"):
        for name in (
            "data/record/proofs.json",
            "data/escrow.json",
            "data/record/key.txt",
            "data/record/checkpoint.txt",
        ):
            kept = (bag / name).read_bytes()
            (bag / name).write_bytes(data)
            assert not check(bag, FolderBlobs).is_sound
            (bag / name).write_bytes(kept)
