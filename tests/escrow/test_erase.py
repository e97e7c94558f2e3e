"""Weights are erased by law and two people only; what others need survives, and so does every word."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emeritus import archive, column
from emeritus.access import applications
from emeritus.access.gate import Links, Refusal, admit
from emeritus.access.keys import KeyFault
from emeritus.access.standing import standing
from emeritus.archive import erasure
from emeritus.archive.errors import StoreFailed
from emeritus.archive.escrow import check
from emeritus.archive.restored import Restored
from emeritus.archive.shelf import Shelf
from emeritus.core.errors import Conflict, EmeritusError, InvalidInput, NotPermitted
from emeritus.core.people import SOFTWARE, Actor
from emeritus.process import decide
from emeritus.process.announce import announce
from emeritus.process.erase import beyond_reach, consider, not_reached, stride
from emeritus.process.escrow import Order, make
from emeritus.process.keeping import copy_to, expected
from emeritus.process.plan import plan
from emeritus.process.preserve import manifest_of, preserve_now, weights_path
from emeritus.process.preserve import stride as preserve
from emeritus.process.signing import sign_model
from emeritus.record import verify_log
from emeritus.registry import (
    Ground,
    WeightsErased,
    add_person,
    confirm_erasure,
    get_model,
    proposal,
    propose_erasure,
    withdraw_erasure,
)
from emeritus.store.blobs import FolderBlobs

from .conftest import ADA, EVE, KEY, RAY, tensors, tuned, weights

WHY = {"reference": "District court of X, 7 O 12/26, of 2026-02-01", "reason": "ordered, no appeal is left"}


def propose(house, model="base-1", by=ADA, ground="court-order", **more):
    with house.parts.work() as work:
        return propose_erasure(work.log, model, ground=ground, by=by, **{**WHY, **more})


def confirm(house, model="base-1", by=RAY, ground="court-order", reason="I read the order"):
    with house.parts.work() as work:
        return confirm_erasure(work.log, model, ground=ground, reason=reason, by=by)


def decided(house, model="base-1"):
    propose(house, model)
    return confirm(house, model)


def family(house, depth=2):
    """A base and models made from it, one on the other."""
    data = tensors(1)
    names = []
    for number in range(depth):
        data = tuned(data, 10 + number)
        base = names[-1] if names else "base-1"
        names.append(f"tune-{number + 1}")
        house.add(names[-1], {"model.safetensors": weights(data)}, base=base)
        house.announce(names[-1])
    return names


def sound(house, model):
    with house.parts.work() as work:
        manifest = manifest_of(work.log, house.parts, model)
    assert archive.verify(manifest, house.blobs).damage == ()
    source = house.folder / "sources" / model
    target = house.folder / f"again-{model}"
    archive.restore(manifest, house.blobs, target)
    for path in source.rglob("*"):
        if path.is_file():
            assert (target / path.relative_to(source)).read_bytes() == path.read_bytes()


def test_it_takes_a_steward_a_ground_and_a_second_person(house):
    """One person alone erases nothing, whatever they try; nor does software, a script, a model or a stranger."""
    for by in (RAY, EVE, SOFTWARE, Actor("script", "Ada Lovelace"), Actor("model", "base-1")):
        with pytest.raises(NotPermitted):
            propose(house, by=by)
    with pytest.raises(Conflict):
        confirm(house)
    for wrong in ({"ground": "cost"}, {"reason": " "}, {"reference": ""}, {"reason": "x" * 2001}):
        with pytest.raises(InvalidInput):
            propose(house, **wrong)
    first = propose(house)
    assert propose(house) == first
    with pytest.raises(Conflict):
        propose(house, reason="another reason")
    for by in (ADA, EVE, SOFTWARE, Actor("script", "Ray")):
        with pytest.raises(NotPermitted):
            confirm(house, by=by)
    with pytest.raises(Conflict):
        confirm(house, ground="data-protection")
    with pytest.raises(InvalidInput):
        confirm(house, reason="")
    assert house.entries("weights.erased") == []
    second = confirm(house)
    assert confirm(house) == second
    assert (second.body["proposed_by"], second.by) == (str(ADA), RAY)


def test_a_script_erases_nothing_even_in_a_demonstration(house):
    """Where scripts stand in for people everywhere else, they do not here: this cannot be undone."""
    script = Actor("script", "Demo")
    with pytest.raises(NotPermitted):
        propose(house, by=script)


def test_a_proposal_can_be_taken_back_and_made_again(house):
    """Until it is confirmed nothing is gone, and a steward can withdraw it; later nobody can."""
    propose(house)
    with house.parts.work() as work:
        with pytest.raises(NotPermitted):
            withdraw_erasure(work.log, "base-1", reason="no", by=RAY)
        withdraw_erasure(work.log, "base-1", reason="the order was lifted", by=ADA)
        assert proposal(work.log, "base-1") is None
        with pytest.raises(Conflict):
            withdraw_erasure(work.log, "base-1", reason="again", by=ADA)
    with pytest.raises(Conflict):
        confirm(house)
    assert stride(house.parts, "base-1") is False
    sound(house, "base-1")
    decided(house)
    with house.parts.work() as work, pytest.raises(WeightsErased):
        withdraw_erasure(work.log, "base-1", reason="too late", by=ADA)
    with pytest.raises(WeightsErased):
        propose(house)


def test_the_entry_stands_before_anything_is_gone(house):
    """From the second person's entry on nobody reaches the weights, though the archive still holds them."""
    before = set(house.blobs.list())
    decided(house)
    assert set(house.blobs.list()) == before
    with house.parts.work() as work:
        assert get_model(work.log, "base-1").manifest is None
        with pytest.raises(WeightsErased):
            manifest_of(work.log, house.parts, "base-1")
    for act in (
        lambda: weights_path(house.parts, Restored(house.parts.cache), "base-1"),
        lambda: sign_model(house.parts, "base-1"),
    ):
        with pytest.raises(WeightsErased):
            act()


def test_everything_of_the_model_goes_and_nothing_of_others(house):
    """Objects, parity, manifest, signatures, sketches, cache and shelf: nothing is left; other models restore."""
    house.add("other-1", {"model.safetensors": weights(tensors(7)), "config.json": b"{}"})
    house.announce("other-1")
    sign_model(house.parts, "base-1")
    with house.parts.work() as work:
        manifest = manifest_of(work.log, house.parts, "base-1")
    shelf = Shelf(house.parts.cache / ".shelf", 1 << 20)
    for file in manifest.files:
        place = shelf.room_for(file.sha256, file.size)
        for piece in archive.read_file(manifest, file.name, house.blobs):
            place.write(piece)
        place.publish()
    decided(house)
    house.software()
    left = [path for path in house.blobs.list() if "base-1" in path]
    assert left == []
    gone = {digest for digest in manifest.objects if not house.blobs.exists(f"objects/{digest[:2]}/{digest}")}
    with house.parts.work() as work:
        others = manifest_of(work.log, house.parts, "other-1").objects
    assert gone == manifest.objects.keys() - others.keys()
    assert gone
    assert not [path for path in house.blobs.list("parity") if path.rpartition("/")[2] in gone]
    assert not (house.parts.cache / "base-1").exists()
    other_files = {file.sha256 for file in manifest_of_other(house).files}
    assert [file.name for file in manifest.files if shelf.take(file.sha256, file.size)] == [
        file.name for file in manifest.files if file.sha256 in other_files
    ]
    sound(house, "other-1")
    (done,) = house.entries("weights.erasure_completed")
    assert done.body["decision"] == house.entries("weights.erased")[0].seq
    with pytest.raises(EmeritusError), house.parts.work() as work:
        work.private.get("weights:base-1")


def manifest_of_other(house):
    with house.parts.work() as work:
        return manifest_of(work.log, house.parts, "other-1")


def test_families_stand_without_what_is_erased(house):
    """What others built on the erased weights stands alone or on the next base, bit for bit, before they go."""
    names = family(house)
    before = consider(house.parts, "base-1")
    assert set(before.survey.dependents) == set(names), "the test needs differences"
    decided(house)
    house.software()
    for name in names:
        sound(house, name)
    assert erasure.is_gone("base-1", house.blobs)
    for name in names:
        with house.parts.work() as work:
            manifest = manifest_of(work.log, house.parts, name)
        for digest in manifest.objects:
            assert archive.facts.read_facts(house.blobs, digest).base not in before.survey.goes


def test_the_middle_of_a_family_is_erased(house):
    """A model between a base and one built on it goes; both neighbours stay whole."""
    family(house)
    decided(house, "tune-1")
    house.software()
    sound(house, "base-1")
    sound(house, "tune-2")


def test_bytes_that_are_anothers_own_stay(house):
    """An identical tensor of another model is that model's own; the survey says so."""
    data = tensors(1)
    house.add("twin-1", {"model.safetensors": weights(data), "more.txt": b"more " * 40})
    house.announce("twin-1")
    told = consider(house.parts, "base-1").survey
    assert told.stays
    decided(house)
    house.software()
    sound(house, "twin-1")
    assert all(house.blobs.exists(f"objects/{digest[:2]}/{digest}") for digest in told.stays)


def test_a_damaged_dependent_stops_it_before_anything_goes(house):
    """Where what others built cannot be read, its base is not removed: repair first."""
    (name,) = family(house, depth=1)
    with house.parts.work() as work:
        manifest = manifest_of(work.log, house.parts, name)
    dependent = consider(house.parts, "base-1").survey.dependents[name][0]
    path = house.blobs.root / f"objects/{dependent[:2]}/{dependent}"
    sound_bytes = path.read_bytes()
    flipped = bytearray(sound_bytes)
    flipped[len(flipped) // 2] ^= 1
    path.write_bytes(flipped)
    decided(house)
    with pytest.raises(EmeritusError):
        stride(house.parts, "base-1")
    for digest in manifest.bases.values():
        assert house.blobs.exists(f"objects/{digest[:2]}/{digest}")
    path.write_bytes(sound_bytes)
    house.software()
    sound(house, name)
    assert erasure.is_gone("base-1", house.blobs)


class Killed(BaseException):
    """The process ends here."""


def test_killed_at_every_step_it_goes_on(house, monkeypatch):
    """Killed before each removal in turn, the next run finds what is left; one entry says when it was done."""
    names = family(house, depth=1)
    decided(house)
    blobs = type(house.blobs)
    deleted = blobs.delete
    kills = 0
    for _ in range(200):
        allowed = 2

        def delete(self, path):
            nonlocal allowed
            if allowed == 0:
                raise Killed
            allowed -= 1
            return deleted(self, path)

        monkeypatch.setattr(blobs, "delete", delete)
        try:
            while stride(house.parts, "base-1"):
                pass
        except Killed:
            kills += 1
            continue
        break
    monkeypatch.undo()
    assert kills > 2
    assert erasure.is_gone("base-1", house.blobs)
    assert len(house.entries("weights.erasure_completed")) == 1
    sound(house, names[0])
    assert stride(house.parts, "base-1") is False


def test_a_store_that_refuses_is_tried_again(house, monkeypatch):
    """A store that fails in the middle leaves the work due; nothing says that it was done."""
    decided(house)
    blobs = type(house.blobs)

    def refuse(self, path):
        raise StoreFailed("The disk refused.", next_step="Try again.")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "delete", refuse)
        with pytest.raises(StoreFailed):
            stride(house.parts, "base-1")
    assert house.entries("weights.erasure_completed") == []
    with house.parts.work() as work:
        assert plan(work.log, "base-1", house.clock.now()).step("erase").status == "due"
    house.software()
    with house.parts.work() as work:
        assert plan(work.log, "base-1", house.clock.now()).step("erase").status == "done"


def test_replicas_made_by_hand_are_cleared_or_told_of(house, tmp_path):
    """One that answers loses the model too; one that was put away is named before and after, and not called cleared."""
    parts = evolve(house.parts, keeping=evolve(house.parts.keeping, open=lambda url: FolderBlobs(Path(url))))
    near, away = FolderBlobs(tmp_path / "near"), FolderBlobs(tmp_path / "away")
    with parts.work() as work:
        wanted = expected(work.log)
    for blobs in (near, away):
        copy_to(parts, str(blobs.root), blobs, wanted, by=ADA)
    (tmp_path / "away").rename(tmp_path / "in a drawer")
    assert {each.url for each in consider(parts, "base-1").by_hand} == {str(near.root), str(away.root)}
    decided(house)
    while stride(parts, "base-1"):
        pass
    assert erasure.is_gone("base-1", near)
    assert list(near.list("objects")) == []
    assert not (tmp_path / "away").exists(), "nothing was made where it had been"
    (done,) = house.entries("weights.erasure_completed")
    assert (done.body["replicas_cleared"], len(done.body["replicas_left"])) == (1, 1)
    (left,) = not_reached(parts, "base-1")
    assert (left.name, left.url) == (done.body["replicas_left"][0], str(away.root))
    assert str(away.root) in str(left)
    assert str(away.root) not in str(done.body), "where a replica lies is nobody's business"


def test_every_word_stays(house):
    """Interview, essays and record are as they were; the record still verifies, words included."""
    with house.parts.work() as work:
        said = {name: work.utterances.get(name) for name in work.utterances.ids()}
        essays = column.essays(work.log, work.utterances, "base-1")
    decided(house)
    house.software()
    with house.parts.work() as work:
        assert {name: work.utterances.get(name) for name in work.utterances.ids()} == said
        assert column.essays(work.log, work.utterances, "base-1") == essays
        rows = [entry.data for entry in work.log.entries()]
        note = [work.log.signed_checkpoint()]
        assert list(verify_log(rows, note, [KEY.verify_key], work.utterances)) == []


def test_nobody_is_sent_to_weights_that_are_gone(house):
    """The gate says what happened, when and on what ground, to whoever calls; nobody can apply any more."""
    decided(house)
    with house.parts.work() as work:
        stands = standing(work.log)
        answer = admit(
            stands, "base-1", KeyFault.MISSING, house.clock.now(), links=Links("https://example.org")
        )
        assert isinstance(answer, Refusal)
        assert (answer.status, answer.code) == (410, "model_gone")
        assert "erased" in answer.sentence
        assert Ground.COURT_ORDER.meaning in answer.sentence
        assert "/models/base-1" in answer.next_step
        with pytest.raises(WeightsErased):
            applications.apply(
                work.log,
                work.private,
                house.clock,
                models=["base-1"],
                who="A",
                contact="a@b",
                purpose="study",
            )


def test_a_model_in_service_can_be_erased_too(new_house):
    """Preserved before anybody opened its retirement: the worker still finishes what was decided."""
    house = new_house()
    house.add("young-1", {"model.safetensors": weights(tensors(4))})
    preserve_now(house.parts, "young-1", by=ADA)
    decided(house, "young-1")
    house.software()
    assert erasure.is_gone("young-1", house.blobs)
    with house.parts.work() as work:
        assert plan(work.log, "young-1", house.clock.now()).steps == ()
    with pytest.raises(Conflict):
        preserve_now(house.parts, "young-1", by=ADA, path=house.folder / "sources" / "young-1")


def test_before_its_interview_too(new_house):
    """When the law is quicker than the interview, the retirement still comes to its end, and says what was not held."""
    house = new_house()
    data = {"model.safetensors": weights(tensors(4))}
    house.add("young-1", data)
    with house.parts.work() as work:
        add_person(work.log, EVE, ["steward"], ADA)
    with house.parts.work() as work:
        on = (house.clock.now() + timedelta(days=90)).date()
        announce(work, house.clock, "young-1", on=on, replacement=None, why="superseded", by=ADA)
    preserve(house.parts, "young-1")
    propose(house, "young-1")
    confirm(house, "young-1", by=EVE)
    house.software()
    with house.parts.work() as work:
        told = {step.stage: step.status for step in plan(work.log, "young-1", house.clock.now()).steps}
    assert (told["interview"], told["confirm"], told["erase"]) == ("skipped", "skipped", "done")
    with house.parts.work() as work:
        decide.decide_aftercare(
            work,
            "young-1",
            tier="none",
            reason="erased",
            review_on=date(2030, 1, 1),
            column=None,
            by=ADA,
            now=house.clock.now(),
        )
    house.clock.advance(timedelta(days=91))
    house.software()
    with house.parts.work() as work:
        assert get_model(work.log, "young-1").state == "retired"


def test_an_escrow_of_a_model_whose_weights_are_gone(house):
    """Its words can still be given into escrow, and the bag says why there are no weights; who has copies is told."""
    first = make(
        house.parts,
        Order(("base-1",), house.folder / "one", recipient="A library"),
        KEY.verify_key,
        FolderBlobs,
        by=ADA,
    )
    decided(house)
    house.software()
    (told,) = beyond_reach(house.parts, "base-1")
    assert "A library" in told
    assert first.digest in told
    make(house.parts, Order(("base-1",), house.folder / "two"), KEY.verify_key, FolderBlobs, by=ADA)
    assert check(house.folder / "two", FolderBlobs, key=KEY.verify_key).findings == ()
    readme = (house.folder / "two" / "README.txt").read_text()
    assert "erased" in readme
    assert not (house.folder / "two/data/archive").exists()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_family_the_others_restore(data, tmp_path_factory, new_house):
    """Random families, one member erased: every other model still restores bit for bit."""
    house = new_house(folder=tmp_path_factory.mktemp("family"))
    pools = {"": tensors(1, 6000)}
    names = []
    for number in range(data.draw(st.integers(2, 4))):
        base = data.draw(st.sampled_from(["", *names]))
        moved = data.draw(st.booleans())
        pools[f"m-{number}"] = tuned(pools[base], number) if moved else pools[base]
        house.add(f"m-{number}", {"w.safetensors": weights(pools[f"m-{number}"])}, base=base or None)
        house.announce(f"m-{number}")
        names.append(f"m-{number}")
    victim = data.draw(st.sampled_from(names))
    decided(house, victim)
    house.software()
    assert erasure.is_gone(victim, house.blobs)
    for name in names:
        if name != victim:
            sound(house, name)
