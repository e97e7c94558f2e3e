"""A retirement is a change of state, not of address: one model, a remote in service, its own weights afterwards."""

import json
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from openai import OpenAI

from emeritus.access import members
from emeritus.access.policy import set_policy
from emeritus.core.clock import SettableClock
from emeritus.core.people import SOFTWARE, person
from emeritus.ledger.aftercare import decide_aftercare
from emeritus.process import reach
from emeritus.process.preserve import preserve_now
from emeritus.process.register import hand_over, register
from emeritus.registry import Lineage, NewModel, Organisation, add_person, open_retirement, retire
from emeritus.registry.model import Remote
from emeritus.settings import load_settings
from emeritus.voices.fakes import FakeEngine
from emeritus.web.serving import application
from emeritus.wiring import found_house, open_house

ADA = person("Ada Lovelace")
ASK = [{"role": "user", "content": "Say hello in one short sentence."}]


@pytest.fixture
def slow_engine():
    """A remote that takes its time with a stream."""
    with FakeEngine(pause=0.2) as engine:
        yield engine


@pytest.mark.model
def test_from_a_remote_to_its_own_weights(tmp_path, smollm2, slow_engine, serve_app):
    """The same client at the same address: the remote in service, and from the day of its retirement our engine.

    A stream that began before ends as it began; no call is refused or told anything but the new state.
    """
    clock = SettableClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
    settings = load_settings(tmp_path / "house", engine_context=512)
    found_house(settings, Organisation("Test Lab", 60, demo=False), clock)
    with open_house(settings, clock=clock) as house:
        with house.works.write() as work:
            add_person(work.log, ADA, ["steward"], ADA)
            new = NewModel(
                "m", "M", Lineage("m"), "MIT", date(2024, 3, 1), remote=Remote("openai", "its-name")
            )
            register(work, new, path=None, url=slow_engine.url, key_env="", by=ADA)
            who = members.join(work.log, work.private, clock, name="Mo", plan="pro", by=ADA)
            key = members.issue_key(work.log, work.keys, clock, who.id).text
        with serve_app(application(house, neighbours=house.neighbours())) as served:
            client = OpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0)

            def ask(**more):
                answer = client.chat.completions.with_raw_response.create(
                    model="m", messages=ASK, max_tokens=8, temperature=0, **more
                )
                return answer.headers["emeritus-state"], answer.parse().choices[0].message.content

            state, before = ask()
            assert (state, json.loads(slow_engine.requests[-1].body)["model"]) == ("active", "its-name")
            with house.works.write() as work:
                hand_over(work, "m", smollm2, by=ADA)
                open_retirement(
                    work.log, clock, "m", on=date(2026, 3, 4), replacement=None, why="A newer one.", by=ADA
                )
            preserve_now(house.parts, "m", by=ADA, profile="fast")
            assert ask() == ("deprecated", before)

            stream = client.chat.completions.create(model="m", messages=ASK, max_tokens=15, stream=True)
            pieces = [next(stream)]
            rest = threading.Thread(target=lambda: pieces.extend(stream))
            rest.start()
            clock.advance(timedelta(days=63))
            _retire(house)
            asked = len(slow_engine.requests)
            reach.stride(house.parts, "m")
            with house.works.read() as work:
                probed = work.log.find("access.probed:m")
            assert probed.body["weights"], "called from the archive, not at the remote"
            state, after = ask()
            assert state == "retired"
            assert after
            assert after != before
            with house.pool.lease("m") as voice:
                assert voice.weights
                assert voice.engine.name == "llama.cpp"
            rest.join(30)
            said = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
            assert len(said.split()) == 15
            assert len(slow_engine.requests) == asked
        with house.works.read() as work:
            totals = work.usage.totals(model="m")
        assert totals.requests == 4
        assert totals.tokens_out == 8 + 8 + 15 + 8


def _retire(house):
    with house.works.write() as work:
        decided = decide_aftercare(
            work.log,
            "m",
            tier="members",
            reason="It has users.",
            review_on=date(2027, 1, 1),
            column=None,
            by=ADA,
        )
        retire(work.log, house.clock, "m")
        set_policy(
            work.log,
            "m",
            tier="members",
            reason=decided.reason,
            review_on=decided.review_on,
            decision_entry=decided.entry,
            by=SOFTWARE,
        )
