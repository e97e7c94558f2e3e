"""The post-deployment report: as a page, as JSON, on paper, and as one file by itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emeritus.core.digests import sha256
from emeritus.core.errors import InvalidInput, NotFound
from emeritus.process.report import (
    EVAL,
    JSON,
    PDF,
    Draft,
    log_of,
    published_report,
    released_logs,
    reports,
)
from emeritus.web.pages.assets import FOR_EVER
from emeritus.web.pages.rendering import House, environment, frame
from emeritus.web.site.plots import draw, plot_of, sign

_STYLE = Path(__file__).parents[1] / "pages/report.css"


def view(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the templates need of a report, beside itself."""
    studies = report["studies"]
    titles = {
        study["protocol"]["digest"]: {each["id"]: each["title"] for each in study["framings"]}
        for study in studies
    }
    return {
        "report": report,
        "shown": {each["id"] for study in studies for each in study["sittings"] if each["consent"] == "yes"},
        "sitting_count": sum(len(study["sittings"]) for study in studies),
        "plots": {
            study["protocol"]["digest"]: {
                each["id"]: plot_of(each, study["framings"]) for each in study["questions"]
            }
            for study in studies
        },
        "titles": titles,
        "reference": {
            study["protocol"]["digest"]: next(
                (each["title"] for each in study["framings"] if each["is"] == "reference"), "no framing"
            )
            for study in studies
        },
        "sign": sign,
        "draw": draw,
    }


def alone(draft: Draft, site_url: str, *, published: bool) -> str:
    """Return a report as one HTML file that needs nothing else."""
    # The style sheet is ours, and holds nothing from outside.
    style = Markup(_STYLE.read_text(encoding="utf-8"))  # noqa: S704
    content = msgspec.json.decode(draft.data, type=dict)
    digest = sha256(draft.data) if published else ""
    template = environment().get_template("report_alone.html")
    return template.render(**view(content), site_url=site_url, style=style, digest=digest)


def on_paper(html: str) -> bytes:
    """Return the HTML of a report as PDF. Raises InvalidInput where what makes it is not installed."""
    try:
        from weasyprint import HTML  # noqa: PLC0415 - an extra, and slow to import
    except (ImportError, OSError):
        raise InvalidInput(
            "PDF needs the extra 'pdf', which is not installed here.",
            next_step="pip install 'emeritus[pdf]'; or leave the PDF out.",
        ) from None
    opened = html.replace('<details class="figures">', '<details class="figures" open>')
    made: bytes = HTML(string=opened, url_fetcher=_fetch_nothing).write_pdf(pdf_variant="pdf/ua-1")
    return made


def _fetch_nothing(url: str, **_: Any) -> dict[str, Any]:
    raise ValueError(f"nothing is fetched for a report: {url}")


class ReportPages:
    """The endpoints."""

    def __init__(self, house: House) -> None:
        self.house = house

    def page(self, request: Request) -> Response:
        model, number = request.path_params["id"], request.path_params.get("number")
        with self.house.parts.read() as work:
            around = frame(work.log)
            entry, data = published_report(work, model, number)
            others = [each.body["number"] for each in reports(work.log, model) if each.seq != entry.seq]
            kept = entry.body.get("logs", ())
            logs = [each for each in released_logs(work.log, model) if each.body["digest"] in kept]
        told = {
            **view(msgspec.json.decode(data, type=dict)),
            "published": entry,
            "others": others,
            "logs": logs,
        }
        return self.house.page(request, "report.html", around, told)

    def raw(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            _, data = published_report(work, request.path_params["id"], request.path_params["number"])
        return Response(data, media_type=JSON, headers={"cache-control": FOR_EVER})

    def paper(self, request: Request) -> Response:
        model, number = request.path_params["id"], request.path_params["number"]
        with self.house.parts.read() as work:
            entry, _ = published_report(work, model, number)
            if entry.body["pdf"] is None:
                raise NotFound(
                    "This report was published without a PDF.",
                    next_step=f"Read it at /models/{model}/report/{number}, or print that page.",
                )
            data = work.documents.get(entry.body["pdf"]).data
        return Response(data, media_type=PDF, headers={"cache-control": FOR_EVER})

    def log(self, request: Request) -> Response:
        with self.house.parts.read() as work:
            entry, data = log_of(work, request.path_params["id"], request.path_params["digest"])
        headers = {"content-disposition": f'attachment; filename="{entry.subject}-{entry.seq}.eval"'}
        return Response(data, media_type=EVAL, headers=headers)


def routes(house: House) -> list[Route]:
    pages = ReportPages(house)
    return [
        Route("/models/{id}/report", pages.page),
        Route("/models/{id}/report/logs/{digest}.eval", pages.log),
        Route("/models/{id}/report/{number:int}.json", pages.raw),
        Route("/models/{id}/report/{number:int}.pdf", pages.paper),
        Route("/models/{id}/report/{number:int}", pages.page),
    ]
