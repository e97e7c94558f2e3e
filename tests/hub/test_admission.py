"""Who may have weights: a table of policies and keys, held at the gate and over HTTP."""

from datetime import timedelta

import pytest
from attrs import evolve

from emeritus.access import applications, by_itself, downloads, gate, grants, keys, objections
from emeritus.access.download_gate import admit_download
from emeritus.access.keys import make, present
from emeritus.access.standing import standing
from emeritus.core.errors import InvalidInput, NotFound, NotPermitted
from emeritus.core.people import SOFTWARE, person
from emeritus.registry import WeightsErased, add_person, confirm_erasure, propose_erasure

KEYS = {
    "none": lambda _: None,
    "mistyped": lambda _: "emer_" + "x" * 38,
    "unknown": lambda _: make(),
    "another Hub's": lambda _: "hf_" + "x" * 34,
    "member": lambda house: house.member(),
    "lapsed member": lambda house: house.lapsed(),
    "grant": lambda house: house.grant("opus"),
    "grant without weights": lambda house: house.grant("opus", weights=False),
    "grant for another": lambda house: house.grant("haiku"),
    "expired grant": lambda house: house.expired("opus"),
}
# For each tier, what each key gets. A key that is wrong in itself is no hindrance where none is needed.
TABLE = {
    "public": dict.fromkeys(KEYS, 200),
    "members": {
        "none": 401,
        "mistyped": 401,
        "unknown": 401,
        "another Hub's": 401,
        "member": 200,
        "lapsed member": 403,
        "grant": 200,
        "grant without weights": 403,
        "grant for another": 403,
        "expired grant": 403,
    },
    "none": dict.fromkeys(KEYS, 403),
}
TABLE["on-request"] = {**TABLE["members"], "member": 403}


@pytest.fixture
def shop(house, folder):
    """A house whose weights are decided on anew, with a second model."""
    house.preserve("haiku", folder)
    house.downloads("haiku", "on-request")
    house.downloads("opus", "on-request")
    return house


@pytest.mark.parametrize("tier", list(TABLE))
@pytest.mark.parametrize("kind", list(KEYS))
def test_the_table(shop, server, tier, kind):
    """Each policy lets in whom it says; who is not let in is told why, and where to apply."""
    key = KEYS[kind](shop)
    shop.downloads("opus", tier, "A reason.")
    answer = server.http("/opus/resolve/main/config.json", key=key)
    wanted = TABLE[tier][kind]
    assert answer.status == wanted
    assert server.http("/opus/resolve/main/config.json", method="HEAD", key=key).status == wanted
    assert server.http("/api/models/opus/auth-check", key=key).status == wanted
    assert server.http("/api/models/opus/tree/main", key=key).status == 200
    if wanted == 200:
        assert answer.body == b'{"architectures": ["LlamaForCausalLM"]}'
        return
    assert answer.headers["x-error-code"] == "GatedRepo"
    assert answer.headers["x-error-message"] == answer.json["error"]
    said = answer.json["error"]
    if tier == "none":
        assert "handed to nobody. A reason. What can be had of it: https://lab.example/models/opus." in said
    else:
        assert "https://lab.example/access/apply?model=opus&weights=yes" in said
    assert ("www-authenticate" in answer.headers) == (wanted == 401)


def test_nothing_is_handed_out_before_somebody_decides(house, folder, server):
    """The policy on calls opens no weights, whatever it is."""
    house.preserve("quiet", folder)
    answer = server.http("/quiet/resolve/main/config.json")
    assert (answer.status, answer.headers["x-error-code"]) == (403, "GatedRepo")
    assert "Nothing has been decided" in answer.json["error"]


def test_a_decision_holds_from_the_next_download_on(shop, server):
    """Opened and closed again: each decision stands on the record, the last one counts."""
    for tier, status in (("public", 200), ("none", 403), ("public", 200)):
        shop.downloads("opus", tier, f"Now {tier}.")
        assert server.http("/opus/resolve/main/config.json").status == status
    shop.downloads("opus", "public", "Now public.")
    kept = shop.log.entries(model="opus", kinds=downloads.KINDS)
    assert [entry.body["tier"] for entry in kept[-3:]] == ["public", "none", "public"]
    assert downloads.download_policy(shop.log, "opus").entry == kept[-1].seq


def test_a_grant_revoked_is_over(shop, server):
    """Revoking holds from the next download on."""
    key = shop.grant("opus")
    assert server.http("/opus/resolve/main/config.json", key=key).status == 200
    grants.revoke_grant(shop.log, present(shop.keys, key).holder, reason="It was passed on.", by=shop.ada)
    answer = server.http("/opus/resolve/main/config.json", key=key)
    assert answer.status == 403
    assert "It was passed on." in answer.json["error"]


def test_a_key_for_some_models(shop):
    """A key that is narrowed to other models opens no weights."""
    links = gate.Links("https://x")
    shop.downloads("opus", "members")
    text = shop.member()
    issued = keys.issue(
        shop.keys, shop.clock, holder=present(shop.keys, text).holder, kind="member", models=("haiku",)
    )
    found = admit_download(standing(shop.log), "opus", issued.record, shop.clock.now(), links=links)
    assert (found.status, found.code) == (403, "not_granted")


def test_deciding_takes_a_steward_and_a_reason(house, folder):
    """A person of the house decides, with a reason, about weights that are here."""
    house.add_remote("elsewhere")

    def decide(model="opus", tier="public", reason="Why not.", by=house.ada):
        return downloads.decide_downloads(house.log, model, tier=tier, reason=reason, by=by)

    for refused in ({"by": SOFTWARE}, {"by": person("Nobody Known")}):
        with pytest.raises(NotPermitted):
            decide(**refused)
    for wrong in ({"tier": "friends"}, {"reason": "  "}, {"model": "elsewhere"}):
        with pytest.raises(InvalidInput):
            decide(**wrong)
    with pytest.raises(NotFound):
        decide(model="sonnet")


def apply(house, *models, weights=True):
    return applications.apply(
        house.log,
        house.private,
        house.clock,
        models=models,
        who="R",
        contact="r@x.example",
        purpose="Study",
        weights=weights,
    ).application


def test_software_hands_out_no_weights(shop):
    """An application for weights waits for a person, however long."""
    asked = apply(shop, "opus")
    assert any("cannot be called back" in reason for reason in objections.objections(shop.log, asked))
    shop.clock.advance(timedelta(days=30))
    plain = apply(shop, "opus", weights=False)
    shop.clock.advance(timedelta(days=3))
    assert [
        each.id for each in by_itself.grant_due(shop.log, shop.private, shop.clock, timedelta(hours=48))
    ] == [plain.id]
    with pytest.raises(NotPermitted):
        grants.decide_application(
            shop.log, shop.clock, asked.id, grant=True, reason="", by=SOFTWARE, weights=True
        )


def test_weights_are_handed_out_only_where_asked_for_and_said(shop):
    """Granting an application that asks for weights does not include them by accident; nor the other way."""
    asked, plain = apply(shop, "opus"), apply(shop, "opus", weights=False)

    def grant(application, **more):
        return grants.decide_application(
            shop.log, shop.clock, application.id, grant=True, reason="Welcome.", by=shop.ada, **more
        ).grant

    assert not grants.get_grant(shop.log, grant(asked)).weights
    with pytest.raises(InvalidInput, match="does not ask"):
        grant(plain, weights=True)
    assert grants.get_grant(shop.log, grant(apply(shop, "opus"), weights=True)).weights


def test_what_cannot_be_applied_for(house):
    """Weights that everybody may have, and those that are not here, need no application."""
    house.add_remote("elsewhere")
    with pytest.raises(InvalidInput, match="Everybody may have"):
        apply(house, "opus")
    with pytest.raises(InvalidInput, match="not held here"):
        apply(house, "elsewhere")


def test_an_old_entry_hands_out_no_weights(shop):
    """Grants and applications from before weights could be asked for are read as not for them."""
    asked = apply(shop, "opus", weights=False)
    for entry in shop.log.entries(kinds=applications.KINDS, subject=asked.id):
        body = {name: value for name, value in entry.body.items() if name != "weights"}
        assert not applications.fold([evolve(entry, body=body)])[0].weights


def test_erased_weights(shop, server):
    """From the moment in which two people decided that the law demands it, nobody gets them; it is said why."""
    key = shop.grant("opus")
    add_person(shop.log, person("Bram Stoker"), ["reviewer"], SOFTWARE)
    ground = {"ground": "court-order", "reason": "It was ordered."}
    propose_erasure(shop.log, "opus", reference="4 O 1/26", by=shop.ada, **ground)
    assert server.http("/opus/resolve/main/config.json", key=key).status == 200
    confirm_erasure(shop.log, "opus", by=person("Bram Stoker"), **ground)
    for path in ("/opus/resolve/main/config.json", "/api/models/opus"):
        answer = server.http(path, key=key)
        assert (answer.status, answer.headers["x-error-code"]) == (410, "RepoNotFound")
        assert "the law demanded it" in answer.json["error"]
    assert [model["id"] for model in server.http("/api/models").json] == ["haiku"]
    for late in (lambda: apply(shop, "opus"), lambda: shop.downloads("opus", "public")):
        with pytest.raises(WeightsErased):
            late()
