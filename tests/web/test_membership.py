"""A member's own pages: logging in with a real provider, first keys by mail, keys in order."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
from attrs import evolve
from starlette.testclient import TestClient
from tests.web.provider import Provider, curve_key, other_key, shared_secret

from emeritus.access import claims, logins, members, rechecks, sources
from emeritus.access.gate import fault_of
from emeritus.access.keys import MOST_LIVE
from emeritus.access.rechecks import Kept
from emeritus.access.sources import Known
from emeritus.access.standing import standing
from emeritus.core.errors import IntegrityError
from emeritus.store.sealing import Sealer
from emeritus.web.pages.app import build_app
from emeritus.web.pages.parts import MemberLogin
from emeritus.web.site.oidc import Oidc
from emeritus.web.site.rechecking import Rechecking, opened

SITE = "http://127.0.0.1:8000"


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


@pytest.fixture
def provider(house):
    with Provider(house.clock.now) as provider:
        yield provider


def parts_of(house, provider, plans=None, secret=Provider.secret, sealer=None):
    login = Oidc(provider.issuer, Provider.client, secret, "openid email profile", house.clock)
    return evolve(house.parts(SITE), members=MemberLogin(login, "plan", plans or {}, sealer))


def app_of(house, provider, plans=None, secret=Provider.secret):
    return build_app(parts_of(house, provider, plans, secret))


@pytest.fixture
def client(house, provider):
    return TestClient(app_of(house, provider), base_url=SITE, follow_redirects=False)


def to_provider(client):
    """Follow the way to the provider and return where it sends the person back to."""
    begin = client.get("/access/login")
    assert begin.status_code == 303
    try:
        build_opener(_Stay).open(Request(begin.headers["location"]))
    except OSError as answer:
        back = urlsplit(answer.headers["location"])
    assert back.path == "/access/login/back"
    return f"{back.path}?{back.query}"


def log_in(client):
    return client.get(to_provider(client))


def send(client, path, **fields):
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/access/me").text)[1]
    return client.post(path, data={"csrf": token, **fields})


def active(house):
    return [each for each in members.all_members(house.log, house.private) if each.active]


# ---- logging in ----


def test_whoever_logs_in_with_a_plan_is_a_member(house, client):
    """The provider's claim is the plan; the page shows it; logging in again is the same member."""
    for _ in range(2):
        assert log_in(client).headers["location"] == "/access/me"
    [member] = active(house)
    assert (member.name, member.plan, member.source) == ("Mo Reader", "pro", "login")
    page = client.get("/access/me")
    assert "Mo Reader" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert not any(b"Mo Reader" in entry.data or b"user-1" in entry.data for entry in house.log.entries())


def test_the_way_there_and_back_is_bound(house, client, provider):
    """State, nonce and PKCE are new for each login, and the cookies are for this site and no script."""
    for _ in range(2):
        begin = client.get("/access/login")
        cookie = begin.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        to_provider(client)
    first, second = provider.seen
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
        assert len(first[name]) >= 43
    assert first["redirect_uri"] == f"{SITE}/access/login/back"


def test_a_plan_that_is_none_is_no_membership(house, provider):
    """Only values that stand for a plan count, the first that is met; others are told kindly what to do."""
    client = TestClient(app_of(house, provider, {"gold": "pro"}), base_url=SITE, follow_redirects=False)
    provider.user["plan"] = ["staff", "tin"]
    answer = log_in(client)
    assert answer.status_code == 403
    assert "/access/apply" in answer.text
    assert active(house) == []
    provider.user["plan"] = ["staff", "gold"]
    log_in(client)
    assert [each.plan for each in active(house)] == ["pro"]
    provider.user["plan"] = "tin"
    assert "Thank you for having been a member" in log_in(client).text
    assert active(house) == []


FAULTS = {
    "another audience": {"change": {"aud": "somebody-else"}},
    "many audiences, and none of them the party": {"change": {"aud": ["emeritus", "other"]}},
    "another party": {"change": {"azp": "other"}},
    "another issuer": {"change": {"iss": "https://evil.example"}},
    "expired": {"change": {"exp": 1}},
    "from the future": {"change": {"iat": 2**40}},
    "no expiry": {"change": {"exp": None}},
    "another login's nonce": {"change": {"nonce": "other"}},
    "no nonce": {"change": {"nonce": None}},
    "nobody": {"change": {"sub": None}},
    "a strange subject": {"change": {"sub": {"a": 1}}},
    "no signature": {"alg": "none"},
    "the client's secret as key": {"alg": "HS256", "signs_with": "secret"},
    "another key": {"signs_with": "other"},
    "no token at all": {"signs_with": None},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_token_that_cannot_be_trusted_lets_nobody_in(house, client, provider, fault):
    """Each is refused with a sentence; nobody is a member of it, and no session begins."""
    told = dict(FAULTS[fault])
    keys = {"secret": shared_secret, "other": other_key}
    if "signs_with" in told and told["signs_with"] is not None:
        told["signs_with"] = keys[told["signs_with"]]()
    for name, value in told.items():
        setattr(provider, name, value)
    answer = log_in(client)
    assert answer.status_code == 403, answer.text
    assert "login.refused" in answer.text
    assert active(house) == []
    assert client.get("/access/me").headers["location"] == "/access/login"
    provider.change, provider.alg, provider.signs_with = {}, "RS256", provider.key
    assert log_in(client).status_code == 303, "it was refused for another reason"


def test_other_kinds_of_keys_are_good_too(house, client, provider):
    """A provider may sign with a curve."""
    provider.key = provider.signs_with = curve_key()
    provider.alg = "ES256"
    assert log_in(client).headers["location"] == "/access/me"


def test_an_answer_counts_once_and_for_its_login(house, client, provider):
    """Neither a code that was used, nor another state, nor one without the cookie, nor a day later."""
    back = to_provider(client)
    stranger = TestClient(client.app, base_url=SITE, follow_redirects=False)
    assert stranger.get(back).status_code == 403
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert client.get(back.replace(state, "x" * 43)).status_code == 403
    assert client.get(f"{back}&iss=https://evil.example").status_code == 403
    assert client.get("/access/login/back?error=access_denied").status_code == 403
    assert client.get(back).status_code == 303
    assert client.get(back).status_code == 403
    late = to_provider(client)
    house.pass_time(minutes=11)
    assert client.get(late).status_code == 403


def test_a_provider_that_is_away(house, client, provider):
    """It is told as that, and as worth trying again; so is one that is not the one that was set."""
    provider.down = True
    assert "login.unavailable" in client.get("/access/login").text
    provider.down, provider.wrong_issuer = False, True
    assert client.get("/access/login").status_code == 503


def test_a_wrong_client_secret_lets_nobody_in(house, provider):
    """The provider's refusal is a sentence, and no traceback."""
    client = TestClient(app_of(house, provider, secret="wrong"), base_url=SITE, follow_redirects=False)
    assert log_in(client).status_code == 503


def test_without_a_provider_nobody_logs_in(house, client_for):
    """The page says where a key comes from then."""
    answer = client_for(house).get("/access/login")
    assert answer.status_code == 404
    assert "mail" in answer.text


def test_whoever_pays_logs_in_as_who_they_are(house, client, provider):
    """With a verified address, a member by billing is that member, and keeps the plan; unverified, not."""
    known = Known("cus_1", "M. Reader", "team", "mo@reader.example")
    paid = sources.settle(house.log, house.private, house.clock, "billing", known, by=house.steward).member
    provider.user |= {"email": "Mo@Reader.example", "plan": None}
    assert log_in(client).status_code == 403
    provider.user["email_verified"] = True
    provider.user["email"] = "mo@reader.example"
    assert log_in(client).status_code == 303
    assert [(each.id, each.plan) for each in active(house)] == [(paid.id, "team")]


def test_a_membership_by_login_ends_when_nobody_logs_in(house, client):
    """After the days that were set, and not before; logging in again brings it back, keys and all."""
    log_in(client)
    house.pass_time(days=29)
    assert logins.end_unseen(house.log, house.private, house.clock.now(), timedelta(days=30)) == []
    house.pass_time(days=2)
    [ended] = logins.end_unseen(house.log, house.private, house.clock.now(), timedelta(days=30))
    assert not members.get_member(house.log, house.private, ended.id).active
    log_in(client)
    assert [each.id for each in active(house)] == [ended.id]


# ---- one's own keys ----


@pytest.fixture
def asking(house, provider):
    """Asks the provider again about whoever logs in, a day after it was last heard."""
    provider.lets_ask = True
    parts = parts_of(house, provider, sealer=Sealer.fresh())
    return Rechecking(parts, parts.members, parts.members.sealer, timedelta(days=1))


@pytest.fixture
def visitor(asking):
    return TestClient(build_app(asking.parts), base_url=SITE, follow_redirects=False)


@pytest.mark.parametrize("in_person", [False, True])
def test_a_plan_that_lapsed_at_the_provider_ends_access(house, provider, asking, visitor, in_person):
    """A day after the login the provider is asked again, by ID token or userinfo, and again a day after that."""
    provider.tells_in_person = in_person
    log_in(visitor)
    with house.works.write() as work:
        key = members.issue_key(work.log, work.keys, house.clock, active(house)[0].id).record
    (token,) = provider.refreshes
    asking.look()
    assert provider.refreshes == {token}, "it is not due"
    for day in (1, 2):
        house.clock.advance(timedelta(days=1))
        asking.look()
        (again,) = provider.refreshes
        assert again != token, day
        assert [each.plan for each in active(house)] == ["pro"]
        token = again
    provider.user |= {"plan": "team", "name": "Somebody Else"}
    house.clock.advance(timedelta(days=1))
    asking.look()
    assert [(each.plan, each.name) for each in active(house)] == [("team", "Mo Reader")]
    provider.user["plan"] = None
    house.clock.advance(timedelta(days=1))
    asking.look()
    assert active(house) == []
    code, says = fault_of(standing(house.log), key, house.clock.now())
    assert (code, says[:35]) == ("membership_lapsed", "Thank you for having been a member;")
    (token,) = provider.refreshes
    house.clock.advance(timedelta(days=1))
    asking.look()
    assert provider.refreshes == {token}, "nobody is asked about who is no member"


def test_who_is_asked_about_stays_as_long_as_the_provider_says(house, asking, visitor):
    """Without a login for months the membership stands, since the provider was heard."""
    log_in(visitor)
    for _ in range(3):
        house.clock.advance(timedelta(days=20))
        asking.look()
        assert logins.end_unseen(house.log, house.private, house.clock.now(), timedelta(days=30)) == []


def test_a_provider_that_says_nothing_more(house, provider, asking, visitor):
    """While it is away it is asked again soon; when it takes the token no more, the days since the login count."""
    log_in(visitor)
    house.clock.advance(timedelta(days=1))
    for fault in ("down", "signs_with"):
        setattr(provider, fault, True if fault == "down" else other_key())
        asking.look()
        assert len(active(house)) == 1
        provider.down, provider.signs_with = False, provider.key
        if fault == "down":
            (kept,) = provider.refreshes
            asking.look()
            assert provider.refreshes == {kept}, "it waits a while"
            house.clock.advance(timedelta(minutes=10))
            asking.look()
            assert provider.refreshes != {kept}
            house.clock.advance(timedelta(days=1))
    before = set(provider.refreshes)
    house.clock.advance(timedelta(days=2))
    asking.look()
    assert provider.refreshes == before, "a token that cannot be trusted is used no more"
    assert len(logins.end_unseen(house.log, house.private, house.clock.now(), timedelta(days=3))) == 1


def test_a_provider_that_speaks_of_somebody_else(house, provider, asking, visitor):
    """What is said of another person changes nothing for this one."""
    log_in(visitor)
    house.clock.advance(timedelta(days=1))
    provider.user |= {"sub": "user-2", "plan": None}
    asking.look()
    assert [each.plan for each in active(house)] == ["pro"]


def test_what_a_provider_is_asked_with_is_sealed(house, provider, asking, visitor):
    """The token stands nowhere in the clear, and opens for its own member only."""
    log_in(visitor)
    (token,) = provider.refreshes
    [member] = active(house)
    kept = house.private.get(f"member-recheck:{member.id}")
    assert token not in str(kept)
    assert opened(asking.sealer, member.id, Kept(kept["sealed"], kept["who"])) == token
    with pytest.raises(IntegrityError):
        opened(asking.sealer, "member-2", Kept(kept["sealed"], kept["who"]))


def test_one_of_many_asks(house, provider, asking, visitor):
    """Two processes that look at once use a token once."""
    log_in(visitor)
    [member] = active(house)
    house.clock.advance(timedelta(days=1))
    now = house.clock.now()
    assert rechecks.take(house.private, member.id, now, asking.every) is not None
    assert rechecks.take(house.private, member.id, now, asking.every) is None


def test_a_member_keeps_keys_in_order(house, client):
    """Make one, shown once; replace it with an overlap; end it. Nobody without the page's token does any of it."""
    log_in(client)
    shown = send(client, "/access/me/keys", label="laptop").text
    key = re.search(r"emer_\w{38}", shown)[0]
    assert key not in client.get("/access/me").text
    [record] = house.works._work.keys.all()
    assert client.post("/access/me/key", data={"key": record.id, "do": "end"}).status_code == 403
    assert (
        re.search(r"emer_\w{38}", send(client, "/access/me/key", key=record.id, do="rotate").text)[0] != key
    )
    old, new = sorted(house.works._work.keys.all(), key=lambda each: each.expires_at is None)
    assert old.expires_at == house.clock.now() + timedelta(days=1)
    assert send(client, "/access/me/key", key=new.id, do="end").status_code == 303
    assert house.works._work.keys.get(new.id).revoked_at is not None


def test_keys_of_others_are_none_of_ones_own(house, client):
    """Another member's key is as unknown as one that never was."""
    other = members.join(house.log, house.private, house.clock, name="Bo", plan="pro", by=house.steward)
    theirs = members.issue_key(house.log, house.works._work.keys, house.clock, other.id).record
    log_in(client)
    for key in (theirs.id, "key-none", ""):
        assert send(client, "/access/me/key", key=key, do="end").status_code == 404
    assert house.works._work.keys.get(theirs.id).revoked_at is None


def test_keys_do_not_pile_up(house, client):
    """The twenty-first is refused on the page."""
    log_in(client)
    for _ in range(MOST_LIVE):
        assert send(client, "/access/me/keys").status_code == 200
    assert send(client, "/access/me/keys").status_code == 409


def test_logging_out_ends_the_visit(client):
    """The next page asks to log in."""
    log_in(client)
    assert send(client, "/access/log-out").status_code == 303
    assert client.get("/access/me").headers["location"] == "/access/login"


# ---- a first key by mail ----


def test_a_claim_is_good_once(house, client):
    """Looking at the page uses nothing up; the key is shown to whoever sends the form, once."""
    member = members.join(house.log, house.private, house.clock, name="Mo", plan="pro", by=house.steward)
    code = claims.offer(house.private, house.clock, member.id)
    for _ in range(2):
        assert code in client.get(f"/access/claim?code={code}").text
    assert re.search(r"emer_\w{38}", client.post("/access/claim", data={"code": f" {code} "}).text)
    again = client.post("/access/claim", data={"code": code})
    assert again.status_code == 403
    assert not re.search(r"emer_\w{38}", again.text)


@pytest.mark.parametrize("code", ["", "x", "emerclaim_" + "0" * 38, "emerclaim_" + "é" * 38])
def test_no_other_code_is(client, code):
    """What was never offered opens nothing."""
    assert client.post("/access/claim", data={"code": code}).status_code == 403


def test_a_claim_ends(house, client):
    """After thirty days, and with the membership."""
    member = members.join(house.log, house.private, house.clock, name="Mo", plan="pro", by=house.steward)
    lapsed = claims.offer(house.private, house.clock, member.id)
    members.lapse(house.log, member.id, house.steward)
    assert client.post("/access/claim", data={"code": lapsed}).status_code == 409
    members.join(
        house.log, house.private, house.clock, name="Mo", plan="pro", by=house.steward, member=member.id
    )
    house.pass_time(days=30)
    assert client.post("/access/claim", data={"code": lapsed}).status_code == 403
