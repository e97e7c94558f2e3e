"""An alias is answered by the model that it stands for, and every answer says which that is."""

import json
from datetime import timedelta

import anthropic
import openai
import pytest

from emeritus.registry.alias import end_alias
from emeritus.registry.notice import Surface, give_notice

ASK = [{"role": "user", "content": "Hello"}]
CHAT = "/v1/chat/completions"


@pytest.fixture
def key(house):
    house.alias("latest", "haiku")
    return house.member()


def chat(server, key, model="latest"):
    return server.http(CHAT, {"model": model, "messages": ASK}, authorization=f"Bearer {key}")


def test_the_answer_says_which_model_gave_it(server, house, pool, key):
    """The header names the model; the call is asked of that model's voice, and counted under its id."""
    answer = chat(server, key)
    assert answer.status == 200
    assert answer.headers["emeritus-model"] == "haiku"
    assert answer.headers["emeritus-alias"] == '"latest";since="2026-03-03"'
    assert [voice.model for voice in pool.loaded] == ["haiku"]
    assert house.usage.totals(model="haiku").requests == 1


def test_it_moves_on_the_announced_day_and_not_before(server, house, pool, key):
    """The move is told beforehand in every answer, and the next call after it is answered by the other model."""
    house.model("sonnet")
    house.alias("latest", "sonnet", days=30)
    before = chat(server, key)
    assert before.headers["emeritus-model"] == "haiku"
    assert 'moves-on="2026-04-02";moves-to="sonnet"' in before.headers["emeritus-alias"]
    house.clock.advance(timedelta(days=30))
    after = chat(server, key)
    assert after.headers["emeritus-model"] == "sonnet"
    assert "moves-on" not in after.headers["emeritus-alias"]


def test_the_engine_is_given_the_models_own_name(server, house, engine, key, monkeypatch):
    """The alias itself travels nowhere: what the engine echoes as the body's model is the real one."""
    monkeypatch.setattr("emeritus.voices.remote.RemoteVoice._renamed", lambda _self, _path, body: body)
    assert chat(server, key).json["model"] == "haiku"
    assert json.loads(engine.requests[0].body)["model"] == "haiku"
    stream = server.openai(key).chat.completions.create(model="latest", messages=ASK, stream=True)
    assert {chunk.model for chunk in stream} == {"haiku"}
    message = server.anthropic(key).messages.create(model="latest", messages=ASK, max_tokens=5)
    assert message.model == "haiku"


def test_policy_is_that_of_the_model(server, house, key):
    """What is refused under the model's own id is refused under its alias, and says which alias was called."""
    house.tier("haiku", "on-request")
    with pytest.raises(openai.PermissionDeniedError) as caught:
        server.openai(key).chat.completions.create(model="latest", messages=ASK)
    assert caught.value.body["emeritus"]["alias"]["name"] == "latest"
    assert caught.value.body["emeritus"]["model"] == "haiku"


def test_one_that_ended(server, house, key):
    """After its end it is 410, with what it stood for; before it was ever made it is unknown."""
    end_alias(house.log, house.clock, "latest", why="It confused people.", by=house.ada)
    for sdk, ask in (
        (openai, lambda: server.openai(key).chat.completions.create(model="latest", messages=ASK)),
        (
            anthropic,
            lambda: server.anthropic(key).messages.create(model="latest", messages=ASK, max_tokens=1),
        ),
        (openai, lambda: server.openai(key).models.retrieve("latest")),
    ):
        with pytest.raises(sdk.APIStatusError, match="It confused people") as caught:
            ask()
        assert caught.value.status_code == 410
        assert "https://lab.example/models/haiku" in str(caught.value)
    assert "latest" not in [model.id for model in server.openai(key).models.list()]


def test_aliases_are_in_the_list_with_their_dates(server, house, key):
    """Both SDKs list aliases beside models: what they stand for, since when, and where they move."""
    house.model("sonnet")
    house.alias("latest", "sonnet", days=30)
    for models in (server.openai(key).models, server.anthropic(key).models):
        assert [model.id for model in models.list()] == ["haiku", "opus", "sonnet", "latest"]
        one = models.retrieve("latest")
        assert one.id == "latest"
        assert one.emeritus["model"] == "haiku"
        assert one.emeritus["alias"] == {
            "name": "latest",
            "since": "2026-03-03",
            "moves_on": "2026-04-02",
            "moves_to": "sonnet",
        }


def test_dates_of_single_surfaces(server, house, key):
    """An end that was named for one surface, such as an alias, stands beside the model's own."""
    house.model("sonnet", "deprecated", replacement="haiku")
    on = house.clock.now().date() + timedelta(days=70)
    surface = Surface("alias", "sonnet-latest")
    give_notice(
        house.log, house.clock, "sonnet", surface=surface, meaning="last-day", on=on, why="x", by=house.ada
    )
    sonnet = server.openai(key).models.retrieve("sonnet")
    assert sonnet.emeritus["surfaces"] == [
        {"surface": "alias:sonnet-latest", "meaning": "last-day", "on": on.isoformat()}
    ]
    assert sonnet.successor_model == "haiku"
    assert sonnet.deprecation_date == house.clock.now().date().isoformat()
    assert sonnet.shutdown_date == sonnet.emeritus["retires_on"]
    opus = server.anthropic(key).models.retrieve("opus")
    assert (opus.successor_model, opus.shutdown_date) == ("haiku", None)
