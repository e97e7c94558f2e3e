"""`emeritus interview run`, `watch` and `replay`: sittings held, seen while they are held, and held again."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emeritus.cli.house import Home, say_json
from emeritus.core.errors import InvalidInput, Unavailable
from emeritus.core.wording import count

if TYPE_CHECKING:
    from rich.table import Table

    from emeritus.interviews import Design
    from emeritus.process.watching import Seen
    from emeritus.wiring import House


def _design_of(house: "House", name: str) -> "Design":
    """Return the design called *name*, or the newest one of the model called so."""
    from emeritus import interviews

    with house.works.read() as work:
        found = interviews.designs(work.log, name)
        return found[-1] if found else interviews.get_design(work.log, name)


def _folder(house: "House", design: "Design") -> Path:
    return house.settings.home / "interviews" / design.id


@click.command()
@click.argument("model", metavar="MODEL|DESIGN")
@click.option(
    "--parallel", type=click.IntRange(1, 64), help="Sittings at a time. [default: 1; 8 with --provider]"
)
@click.option(
    "--provider", default="", metavar="P/MODEL", help="Have a model of Inspect AI's providers answer."
)
@click.option("--framings", default="", metavar="A,B", help="Only these, this time.")
@click.pass_obj
def run(home: Home, model: str, parallel: int | None, provider: str, framings: str) -> None:
    """Hold the sittings of a design that were not held yet, on Inspect AI.

    Stop it at any time and run it again: what was said stands, and nothing is said twice. Sittings in which the
    model asked something wait for you; see `emeritus interview questions`.
    """
    from emeritus.cli.progress import Bars
    from emeritus.interviews.evaluation.extra import inspect_version

    inspect_version()
    from emeritus.interviews.evaluation.run import run as hold
    from emeritus.process import interviewing
    from emeritus.process.watching import look

    with home.open() as house:
        design = _design_of(house, model)
        at_once = parallel or (8 if provider else 1)
        places = [p for p in design.places if not framings or p.arm.framing in framings.split(",")]
        if not places:
            raise InvalidInput(
                f"{design.id} has no framing of {framings}.", next_step="Name those that it has."
            )
        done: set[str] = set()
        with house.ensemble(design.model, at_once) as ensemble, Bars() as bars:
            folder = _folder(house, design)
            book = interviewing.DesignBook(house.parts, design.id, folder, ensemble.conversation)

            def told(sitting: str) -> None:
                done.add(sitting)
                bars.watch("sittings", design.id, len(done), len(places), sitting)

            ran = hold(
                book,
                folder=folder / "logs",
                clock=house.clock,
                parallel=at_once,
                provider=provider,
                framings=framings.split(",") if framings else (),
                told=told,
            )
        interviewing.file_log(house.parts, design, ran.log, status=ran.status)
        with house.works.read() as work:
            seen = look(work.log, work.utterances, design)
    click.echo(f"{seen.ended} of {len(design.places)} sittings have ended; {seen.waiting} wait for you.")
    click.echo(
        f"Each as canonical JSON: {folder}\nThe log: {ran.log}\n  Open it: inspect view --log-dir {ran.log.parent}"
    )
    if seen.waiting:
        click.echo(f"Next: emeritus interview questions {design.model}")
    if ran.broken or ran.status != "success":
        for line in ran.broken[:10]:
            click.echo(f"  broken off: {line}", err=True)
        raise Unavailable(
            f"{count(len(ran.broken), 'sitting')} broke off."
            if ran.broken
            else f"The run ended early: {ran.status}.",
            next_step="What was said stands. Run it again to go on.",
        )


@click.command()
@click.argument("model", metavar="MODEL|DESIGN")
@click.option("--once", is_flag=True, help="Show how it stands, and end.")
@click.option("--every", type=click.FloatRange(0.2), default=2.0, show_default=True, metavar="SECONDS")
@click.pass_obj
def watch(home: Home, model: str, once: bool, every: float) -> None:
    """Watch the sittings of a design while they are held, from any other terminal; read only."""
    from rich.console import Console
    from rich.live import Live

    from emeritus.process.watching import look

    with home.open() as house:
        design = _design_of(house, model)

        def seen() -> "Seen":
            with house.works.read() as work:
                return look(work.log, work.utterances, design)

        console = Console()
        if once or not console.is_terminal:
            console.print(_table(design, seen()))
            return
        with Live(_table(design, seen()), console=console, refresh_per_second=4) as live:
            while (now := seen()).ended < len(design.places):
                live.update(_table(design, now))
                time.sleep(every)
            live.update(_table(design, now))


def _table(design: "Design", seen: "Seen") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    from emeritus.interviews.summary import plain_words

    table = Table(title=f"{design.id}: {seen.ended} of {len(design.places)} have ended", title_justify="left")
    for name in ("framing", "held", "going on", "waiting", "answers", "last words"):
        wide = name == "last words"
        table.add_column(
            name, justify="left" if wide or name == "framing" else "right", no_wrap=not wide, overflow="fold"
        )
    for row in seen.rows:
        words = "" if row.last is None else f"{row.last.question}: {_one_line(plain_words(row.last.text))}"
        table.add_row(
            escape(row.framing),
            f"{row.ended}/{row.planned}",
            str(row.going_on),
            str(row.waiting),
            str(row.turns),
            escape(words),
        )
    return table


def _one_line(text: str) -> str:
    shown = " ".join("".join(letter if letter.isprintable() else " " for letter in text[:400]).split())
    return shown if len(shown) <= 100 else shown[:97] + "…"


@click.command()
@click.argument("sitting")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def replay(home: Home, sitting: str, as_json: bool) -> None:
    """Hold SITTING again with the archived weights, the same seeds and steps, and compare every word.

    Exit code 1 when other words came.
    """
    from emeritus import interviews
    from emeritus.cli.progress import Bars
    from emeritus.process.replay import replay as again
    from emeritus.process.replay import threads_of

    with home.open() as house:
        with house.works.read() as work:
            model = interviews.get_sitting(work.log, sitting).model
        threads = threads_of(house.parts, sitting)
        with house.ensemble(model, 1, threads) as ensemble, Bars() as bars:
            found = again(
                house.parts,
                sitting,
                ensemble.conversation,
                lambda done, total, what: bars.watch("replay", sitting, done, total, what),
            )
    if as_json:
        told: dict[str, Any] = {
            "sitting": sitting,
            "same": found.same,
            "turns": found.turns,
            "differs_at": found.differs_at,
            "reasons": list(found.reasons),
            "engine": f"{found.engine.name} {found.engine.version}",
            "entry": found.entry,
        }
        say_json(told)
    elif found.same:
        click.secho(f"All {found.turns} answers came again, word for word (entry {found.entry}).", fg="green")
    else:
        click.secho(f"Other words came from answer {found.differs_at} on (entry {found.entry}).", fg="yellow")
        for reason in found.reasons:
            click.echo(f"  {reason}")
    if not found.same:
        raise click.exceptions.Exit(1)


commands = (run, watch, replay)
