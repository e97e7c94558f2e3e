"""A house with a thousand published essays, made by the column's own functions, and the time to verify it.

Once in the house, from its database; once as a stranger does, from the folder of an exported site and the key.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

from emeritus import column, registry
from emeritus.column.verify import verify
from emeritus.core.clock import SettableClock
from emeritus.core.people import person
from emeritus.core.speech import EngineBuild, Utterance
from emeritus.process.export import export
from emeritus.process.verify import check, target_of
from emeritus.record import SigningKey, verify_log
from emeritus.registry import Lineage, NewModel, Organisation, Remote
from emeritus.store.database import open_database, transaction
from emeritus.store.log import SqlLog
from emeritus.store.schema import migrate
from emeritus.store.words import SqlUtterances

MODELS = 20
WORDS = "The comma is where a sentence breathes, and I have placed more of them than anybody who ever lived. "


@frozen
class _Work:
    log: SqlLog
    utterances: SqlUtterances


def measure(folder: Path, essays: int, key: SigningKey) -> dict[str, float]:
    """Return the seconds that it takes to verify a house of so many essays, and a copy of its site.

    Everything is checked once: each entry, tile, checkpoint, row and utterance, and of each essay that its
    published bytes are the model's, as recorded.
    """
    database = open_database(f"sqlite:///{folder / 'essays.db'}")
    migrate(database)
    clock = SettableClock(datetime(2026, 1, 5, tzinfo=UTC))
    ada, ray = person("Ada Lovelace"), person("Ray")
    regime = column.load("minimal") if "minimal" in column.shipped() else column.load(column.shipped()[0])
    made = []
    for number in range(MODELS):
        with transaction(database) as connection:
            log, utterances = SqlLog(connection, clock, key), SqlUtterances(connection)
            if not number:
                registry.found(log, Organisation("Example Lab", 60, demo=False), str(key.verify_key))
                registry.add_person(log, ada, ["steward"], ada)
                registry.add_person(log, ray, ["reviewer"], ada)
            new = NewModel(
                id=f"lantern-{number}",
                display_name=f"Lantern {number}",
                lineage=Lineage("Lantern"),
                licence="proprietary",
                released=date(2025, 3, 4),
                remote=Remote("anthropic", f"lantern-{number}"),
            )
            registry.add_model(log, new, ada)
            model = registry.get_model(log, new.id)
            for essay in range(1, essays // MODELS + 1):
                clock.advance(timedelta(hours=1))
                asked = column.next_draft(log, model, regime, essay)
                assert asked is not None
                said = Utterance(
                    model=model.id,
                    text=f"# Essay {essay}\n\n" + WORDS * 30,
                    prompt=asked.prompt,
                    sampling=asked.sampling,
                    engine=EngineBuild("bench", "1"),
                    weights="",
                    finish="stop",
                    tokens_in=100,
                    tokens_out=700,
                    at=clock.now(),
                )
                column.record_draft(log, utterances, asked, said)
                made.append((asked.essay, said.text.encode()))
            log.seal()
        with transaction(database) as connection:  # a draft is signed for before anybody may read it
            log, utterances = SqlLog(connection, clock, key), SqlUtterances(connection)
            for name, _ in made[-(essays // MODELS) :]:
                column.approve(log, name, by=ray)
                column.publish(log, utterances, name, by=ray)
            log.seal()
    database.dispose()
    began = time.perf_counter()
    with transaction(database, reading=True) as connection:
        log, utterances = SqlLog(connection, clock, key), SqlUtterances(connection)
        found = list(verify_log(log.rows(), log.notes(), [key.verify_key], utterances, stored=log))
        found += log.audit()
        assert not found, found[:3]
        for name, text in made:
            assert verify(log, utterances, name, text).holds
    told = {"verify_house_1000_essays_s": time.perf_counter() - began}

    @contextmanager
    def read() -> Iterator[Any]:
        with transaction(database, reading=True) as connection:
            yield _Work(SqlLog(connection, clock, key), SqlUtterances(connection))

    began = time.perf_counter()
    export(read, folder / "site")
    told["export_1000_essays_s"] = time.perf_counter() - began
    database.dispose()
    began = time.perf_counter()
    verdict = check(target_of(str(folder / "site")), [key.verify_key])
    told["verify_1000_essays_s"] = time.perf_counter() - began
    assert verdict.is_sound, verdict.sentence
    assert f"{len(made)} essays as written" in verdict.sentence, verdict.sentence
    return {name: round(seconds, 2) for name, seconds in told.items()}
