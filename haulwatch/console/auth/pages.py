"""Login, password and log-out, as pages that work without JavaScript."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from haulwatch.console.access import Allowed, Open, give_session, session_of, take_session
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.api.events import read_limited
from haulwatch.console.auth.templates import language_of, page
from haulwatch.console.problems import Problem
from haulwatch.console.schemas import MeAnswer, answers
from haulwatch.domain.access import PEOPLE
from haulwatch.domain.errors import HaulwatchError
from haulwatch.domain.orders import ROLES, Actor, Role
from haulwatch.domain.people import BadPerson, LockedOut, LoginRefused, NewSession, PeopleDesk, Visitor
from haulwatch.domain.text import Text

MAX_FORM_BYTES = 8 * 1024
MAX_FIELD = 512
NO_STORE = {"Cache-Control": "no-store"}
FORM = "application/x-www-form-urlencoded"
HOMES: tuple[tuple[Role, str], ...] = (("wall", "/wall"), ("squad", "/squad"))
"""Where somebody who has only this role begins."""


def router(people: PeopleDesk, oidc_label: Text | None = None) -> APIRouter:
    """/login, /password, /logout and /api/v1/me. `oidc_label`: how the way through an identity provider is called."""
    pages = APIRouter()

    @pages.get("/login", dependencies=[Depends(Open())], include_in_schema=False)
    async def login_page(request: Request, next: str = "/") -> Response:
        """The form to log in with."""
        return _login(request, own_path(next), oidc=oidc_label)

    @pages.post("/login", dependencies=[Depends(Open())], include_in_schema=False)
    async def log_in(request: Request) -> Response:
        """Begins a session, or shows the form again with what was wrong."""
        form = await form_of(request)
        place = own_path(form.get("next", "/"))
        name = form.get("name", "")
        try:
            session = await run_in_threadpool(
                people.log_in,
                name,
                form.get("password", ""),
                address=address_of(request),
                old_token=session_of(request),
            )
        except (LoginRefused, LockedOut) as error:
            return _login(request, place, error=error.text, name=name, oidc=oidc_label, refused=error)
        return entered(request, session, place)

    @pages.get("/password", include_in_schema=False)
    def password_page(request: Request, actor: Annotated[Actor, Depends(Allowed(*PEOPLE))]) -> Response:
        """The form to change one's password with."""
        return _password(request, actor)

    @pages.post("/password", include_in_schema=False)
    async def change_password(request: Request, actor: Annotated[Actor, Depends(Allowed(*PEOPLE))]) -> Response:
        """Changes the password and begins a new session."""
        form = await form_of(request)
        token = session_of(request)
        if token is None:  # a service has no password
            raise Problem(403, "not-permitted", Text("仅限登录的人", "For people who have logged in"))
        if form.get("new", "") != form.get("again", ""):
            return _password(request, actor, Text("两次输入的新密码不一致", "The new passwords differ"))
        try:
            session = await run_in_threadpool(
                people.change_password, token, form.get("old", ""), form.get("new", ""), address=address_of(request)
            )
        except (LoginRefused, LockedOut, BadPerson) as error:
            text = Text("旧密码不对", "The old password is wrong") if isinstance(error, LoginRefused) else error.text
            return _password(request, actor, text)
        return entered(request, session, "/")

    @pages.post("/logout", include_in_schema=False)
    def log_out(request: Request, actor: Annotated[Actor, Depends(Allowed(*PEOPLE))]) -> Response:  # noqa: ARG001
        """Ends the session."""
        token = session_of(request)
        if token is not None:
            people.log_out(token)
        answer = RedirectResponse("/login", status_code=303, headers=NO_STORE)
        answer.headers["Clear-Site-Data"] = '"cache"'
        take_session(request, answer)
        return answer

    @pages.get("/api/v1/me", tags=["people"], responses=answers(MeAnswer, 401), response_class=Response)
    def me(request: Request, actor: Annotated[Actor, Depends(Allowed(*ROLES))]) -> Response:
        """Who is logged in, and what it may."""
        visitor: Visitor = request.state.visitor
        roles = [role for role in ROLES if role in actor.roles]
        return JsonAnswer(
            MeAnswer(actor.actor_id, visitor.name, roles, list(actor.jurisdiction), actor.squad_id, visitor.must_change)
        )

    return pages


def entered(request: Request, session: NewSession, place: str) -> Response:
    """The answer to a login: the session goes to the browser, and the browser to `place`, or to change the password."""
    if session.visitor.must_change:
        place = "/password"
    elif place == "/":
        place = home_of(session.visitor.actor)
    answer = RedirectResponse(place, status_code=303, headers=NO_STORE)
    give_session(request, answer, session.token, session.lasts_s)
    return answer


def home_of(actor: Actor) -> str:
    """The page that somebody with these roles begins with."""
    return next((home for role, home in HOMES if actor.roles == {role}), "/")


def own_path(place: str) -> str:
    """The path if it is one of this very origin, else `/`: nobody is sent elsewhere by a link to our login page."""
    if not place.startswith("/") or place.startswith(("//", "/\\")) or not place.isprintable() or "\\" in place:
        return "/"
    parts = urlsplit(place)
    if parts.scheme or parts.netloc or parts.path in ("/login", "/logout"):
        return "/"
    return place


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a posted form, each once and of a sensible length."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != FORM:
        raise Problem(415, "unsupported-media-type", Text(f"Content-Type 应为 {FORM}", f"Content-Type must be {FORM}"))
    body = (await read_limited(request, MAX_FORM_BYTES)).decode("utf-8", "replace")
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise Problem(422, "invalid-request", Text("表单有误", "The form is not one of ours")) from None
    return {name: values[0][:MAX_FIELD] for name, values in fields.items()}


def address_of(request: Request) -> str:
    """Where the request came from; what a proxy on this machine says about it counts."""
    return request.client.host if request.client is not None else "unknown"


def _login(
    request: Request,
    place: str,
    *,
    error: Text | None = None,
    name: str = "",
    oidc: Text | None = None,
    refused: HaulwatchError | None = None,
) -> Response:
    headers, status = {}, 200
    if isinstance(refused, LockedOut):
        headers, status = {"Retry-After": str(refused.retry_after_s)}, 429
    elif refused is not None:
        status = 401
    lang = language_of(request)
    said = None if error is None else error.lang(lang)
    label = None if oidc is None else oidc.lang(lang)
    return page(
        request, "login.html", status=status, headers=headers, next=place, error=said, name=name[:64], oidc_label=label
    )


def _password(request: Request, actor: Actor, error: Text | None = None) -> Response:
    visitor: Visitor = request.state.visitor
    lang = language_of(request)
    return page(
        request,
        "password.html",
        status=422 if error else 200,
        must_change=visitor.must_change,
        person=visitor.name,
        account=actor.actor_id,
        error=None if error is None else error.lang(lang),
    )
