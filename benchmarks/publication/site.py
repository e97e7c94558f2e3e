"""A site with a thousand essays as plain files: ``make bench-site``. The last line is one JSON object.

A house on disk whose model has published *essays* essays, of about 650 words each, is exported as
`emeritus site export` does it: the record, each essay as page, prompt, source, Markdown, picture and entries,
archive, feeds. *export_1000_essays_s*: the whole of it, into an empty folder. *again_s*: once more, with nothing new.
*max_page_kb*: the longest page, in thousands of bytes. *page_ms*: one essay's page of the living site, in the same house.
"""

import statistics
import time
from pathlib import Path

from benchmarks.publication.bench import run
from benchmarks.publication.house import MODEL, START, add_people_and_model, new_house, publish
from rich.table import Table

from emeritus.core.clock import SettableClock
from emeritus.web.copying import copy_site
from emeritus.web.pages.rendering import House, frame
from emeritus.web.serving import page_parts
from emeritus.web.site.column import essay_page
from emeritus.wiring import open_house


def measure(folder: Path, essays: int) -> dict:
    clock = SettableClock(START)
    settings = new_house(folder / "house", clock, site_url="https://lab.example")
    with open_house(settings, clock=clock) as house:
        add_people_and_model(house)
        for begin in range(1, essays + 1, 100):
            publish(house, clock, range(begin, min(begin + 100, essays + 1)))
        parts = page_parts(house, "https://lab.example")
        began = time.perf_counter()
        done = copy_site(parts, folder / "site")
        first = time.perf_counter() - began
        began = time.perf_counter()
        again = copy_site(parts, folder / "site")
        second = time.perf_counter() - began
        assert (again.files.written, again.files.removed) == (0, 0)
        took = []
        for number in range(1, essays + 1, max(1, essays // 20)):
            began = time.perf_counter()
            with house.works.read() as work:
                view = essay_page(work, f"{MODEL}-essay-{number}")
                House.of(parts).templates.get_template("macros.html")
                assert view.essay.text
                frame(work.log)
            took.append(time.perf_counter() - began)
    found = [path for path in (folder / "site").rglob("*") if path.is_file()]
    pages = [path for path in found if path.suffix == ".html"]
    assert len(pages) == done.pages > 2 * essays
    return {
        f"export_{essays}_essays_s": round(first, 1),
        "max_page_kb": round(max(path.stat().st_size for path in pages) / 1000, 1),
        "essays": essays,
        "pages": len(pages),
        "files": len(found),
        "megabytes": round(sum(path.stat().st_size for path in found) / 1e6, 1),
        "again_s": round(second, 1),
        "page_ms": round(statistics.median(took) * 1000, 1),
    }


def table(told: dict) -> Table:
    shown = Table(title=f"A site with {told['essays']:,} essays as plain files")
    for title in ("", ""):
        shown.add_column(title, justify="left")
    shown.add_row("export into an empty folder, s", str(told[f"export_{told['essays']}_essays_s"]))
    shown.add_row("once more, with nothing new, s", str(told["again_s"]))
    shown.add_row("pages, files, MB", f"{told['pages']:,}, {told['files']:,}, {told['megabytes']:,}")
    shown.add_row("the longest page, kB", str(told["max_page_kb"]))
    shown.add_row("reading one essay's page from that house, ms (median)", str(told["page_ms"]))
    return shown


if __name__ == "__main__":
    run("site", __doc__, "essays", 1000, measure, table)
