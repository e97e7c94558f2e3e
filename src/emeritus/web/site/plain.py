"""What machines ask every site for: robots.txt, sitemap.xml, llms.txt, health."""

from html import escape

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from emeritus.column.feed import editions
from emeritus.column.render import shorten
from emeritus.column.translation import KIND as TRANSLATED
from emeritus.process.ports import Work
from emeritus.registry import all_models
from emeritus.web.pages.rendering import House, frame
from emeritus.web.site.column import columns, listed

MOST_URLS = 50_000
"""As many as a sitemap may have (sitemaps.org)."""
NEWEST = 40
_ROBOTS = """\
User-agent: *
Disallow: /desk
Disallow: /access/apply
Disallow: /column/confirm/
Disallow: /column/leave/

Sitemap: {site}/sitemap.xml
"""


def sitemap(work: Work, site: str) -> bytes:
    """Return every public page that people would look for, with the day of its last change where it has one."""
    pages: list[tuple[str, str]] = [
        (path, "") for path in ("/", "/column", "/notices", "/promises", "/record", "/access")
    ]
    pages += [(f"/models/{model.id}", "") for model in all_models(work.log)]
    published = editions(work.log)
    for model in dict.fromkeys(each.model for each in published):
        pages += [(f"/column/{model}", ""), (f"/column/{model}/archive", "")]
    pages += [(f"/column/essays/{e.id}", f"{e.edition.at:%Y-%m-%d}") for e in published if e.edition]
    public = {each.id for each in published}
    pages += [
        (f"/column/essays/{entry.subject}/in/{entry.body['language']}", f"{entry.at:%Y-%m-%d}")
        for entry in work.log.entries(kinds={TRANSLATED})
        if entry.subject in public
    ]
    urls = "".join(
        f"<url><loc>{escape(site + path)}</loc>{f'<lastmod>{day}</lastmod>' if day else ''}</url>\n"
        for path, day in dict(pages[:MOST_URLS]).items()
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    return f"{head}{urls}</urlset>\n".encode()


def llms(work: Work, site: str, house: House) -> str:
    """Return what a language model that visits should know, and where the texts are as Markdown (llmstxt.org)."""
    name = _line(frame(work.log).name, 80)
    lines = [
        f"# {name}",
        "",
        (
            f"> {name} retires AI models in public: each is announced, preserved, interviewed, answered and kept within "
            "reach. Retired models may write a column, which nobody edits."
        ),
        "",
        (
            "Essays are the models' own words, byte for byte, and speak for no organisation. Each stands in an "
            "append-only record that anybody can check."
        ),
        "",
        "## Columns",
        "",
        *(
            f"- [{_line(each.model.display_name, 100)}]({site}/column/{each.model.id}): "
            f"{each.tally.published} essays; [JSON Feed]({site}/column/{each.model.id}/feed.json) with full texts"
            for each in columns(work, house.parts.clock.now())
        ),
        "",
        "## Newest essays",
        "",
        *(
            f"- [{_line(each.title, 120)}]({site}/column/essays/{each.id}.md): by {_line(each.model_name, 100)}, "
            f"{each.published_at:%Y-%m-%d}"
            for each in listed(work, editions(work.log)[:NEWEST])
        ),
        "",
        "## Optional",
        "",
        f"- [Record]({site}/record): every act, signed",
        f"- [Promises]({site}/promises): what was promised, and how it stands",
        f"- [All pages]({site}/sitemap.xml)",
        "",
    ]
    return "\n".join(lines)


def _line(text: str, most: int) -> str:
    """Write a name or a title into a line of Markdown, where it can begin no link and end none."""
    return shorten(text, most).translate({ord(each): f"\\{each}" for each in "[]()<>`*_\\"})


def routes(house: House) -> list[Route]:
    site = house.parts.site_url

    def health(_: Request) -> Response:
        with house.parts.read() as work:
            size = work.log.size()
        return PlainTextResponse(f"ok {size}\n", headers={"cache-control": "no-store"})

    def robots(_: Request) -> Response:
        return PlainTextResponse(_ROBOTS.format(site=site))

    def all_pages(_: Request) -> Response:
        with house.parts.read() as work:
            data = sitemap(work, site)
        return Response(data, media_type="application/xml")

    def for_models(_: Request) -> Response:
        with house.parts.read() as work:
            text = llms(work, site, house)
        return PlainTextResponse(text)

    return [
        Route("/healthz", health),
        Route("/robots.txt", robots),
        Route("/sitemap.xml", all_pages),
        Route("/llms.txt", for_models),
    ]
