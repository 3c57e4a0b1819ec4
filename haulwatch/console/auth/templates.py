"""Pages made here, not in the browser: Jinja templates in the visitor's language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from haulwatch.domain.text import Lang

TEMPLATES = Path(__file__).parents[1] / "templates"
LANGUAGE_COOKIE = "haulwatch_lang"
YEAR_S = 365 * 86_400
_PAGES = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def page(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
) -> Response:
    """A template as an answer that nobody keeps."""
    lang = language_of(request)
    more = {"Cache-Control": "no-store", "Content-Language": lang}
    content = _PAGES.get_template(template).render(**{"lang": lang, "path": request.url.path, **values})
    answer = HTMLResponse(content, status_code=status, headers={**more, **(headers or {})})
    if request.query_params.get("lang") in ("zh", "en"):
        answer.set_cookie(LANGUAGE_COOKIE, lang, max_age=YEAR_S, path="/", samesite="lax", httponly=True)
    return answer


def language_of(request: Request) -> Lang:
    """Asked for in the address, else chosen before, else what the browser prefers; Chinese where it says nothing."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in ("zh", "en"):
            return "en" if chosen == "en" else "zh"
    for wanted in request.headers.get("accept-language", "").lower().split(","):
        if wanted.strip().startswith(("zh", "en")):
            return "en" if wanted.strip().startswith("en") else "zh"
    return "zh"
