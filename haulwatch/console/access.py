"""Who asks: every route says which roles may use it, and gets the actor. A route that says nothing is refused.

    actor: Annotated[Actor, Depends(Allowed("dispatcher", "duty_officer"))]      # these roles
    dependencies=[Depends(Open())]                                              # everybody; or has locks of its own

People come with a session's cookie, services with `Authorization: Bearer`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse

from haulwatch.console.problems import Problem
from haulwatch.domain.orders import Actor, Role
from haulwatch.domain.people import LOCAL_DEVICE, ROLE_NAMES, PeopleDesk, Tokens, Visitor
from haulwatch.domain.text import Text

DEVICES: frozenset[Role] = frozenset(("device",))
COOKIE, SECURE_COOKIE = "haulwatch_session", "__Host-haulwatch_session"
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
CHANGE_FIRST = ("/password", "/logout", "/api/v1/me")
"""What somebody whose password is a one-time one may still use."""


@dataclass(frozen=True)
class Access:
    """How an app finds out who asks; at `app.state.access`.

    `local_devices`: who sends events from this very machine needs no token. `own_locks`: paths of routes that are not
    ours and ask for credentials themselves, as connectors do.
    """

    tokens: Tokens
    people: PeopleDesk | None = None
    local_devices: bool = False
    own_locks: frozenset[str] = frozenset()

    def visitor(self, request: Request, *, touch: bool = True) -> Visitor | None:
        """Who asks, as far as it says. `touch`: its session is in use."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            actor = self.tokens.service(token.strip())
            return None if actor is None else Visitor(actor=actor, name=actor.actor_id)
        cookie = session_of(request)
        if cookie is not None and self.people is not None:
            return self.people.session(cookie, touch=touch)
        return None


class LoginNeeded(Exception):  # noqa: N818  # named after what it becomes: the way to the login page
    """A page that needs a login; becomes a redirect to where one logs in, or changes the password first."""

    def __init__(self, place: str) -> None:
        self.place = place


class Open:
    """A dependency of a route that needs no login: it tells nothing about anybody, or asks for credentials itself."""

    def __call__(self) -> None:
        """Everybody is let through."""


class Allowed:
    """A dependency of a route: the actor that asks, when it has one of `roles`."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)

    def __call__(self, request: Request) -> Actor:
        """The actor; raises the problem 401 where nobody is logged in, 403 without one of the roles."""
        access: Access | None = getattr(request.app.state, "access", None)
        if access is None:
            raise login_required(request)
        visitor = access.visitor(request)
        if visitor is None:
            if self.roles == DEVICES and access.local_devices and is_local(request) and not brings_something(request):
                return LOCAL_DEVICE
            raise login_required(request)
        path = request.url.path
        if visitor.must_change and path not in CHANGE_FIRST:
            raise change_required(request)
        if self.roles.isdisjoint(visitor.actor.roles):
            raise not_allowed(self.roles)
        request.state.visitor = visitor
        return visitor.actor


def deny_undeclared(request: Request) -> None:
    """A dependency of a whole app: 403 for a route that does not say who may use it."""
    route = request.scope.get("route")
    access: Access | None = getattr(request.app.state, "access", None)
    if isinstance(route, APIRoute) and access is not None and route.path in access.own_locks:
        return
    if not isinstance(route, APIRoute) or declared(route) is None:
        raise Problem(403, "undeclared", Text("此地址没有声明谁可以用", "This address does not say who may use it"))


def declared(route: APIRoute) -> Allowed | Open | None:
    """What the route says of who may use it."""
    return _declared(route.dependant)


def _declared(dependant: Dependant) -> Allowed | Open | None:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Allowed | Open):
            return dependency.call
        found = _declared(dependency)
        if found is not None:
            return found
    return None


def session_of(request: Request) -> str | None:
    """The session that the browser came with. Over https only the cookie counts that nobody else can have set."""
    return request.cookies.get(SECURE_COOKIE if request.url.scheme == "https" else COOKIE)


def give_session(request: Request, response: Response, token: str, lasts_s: int) -> None:
    """The session goes to the browser: out of reach of scripts and of other sites' pages."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        token,
        max_age=lasts_s,
        path="/",
        httponly=True,
        samesite="strict",
        secure=secure,
    )


def take_session(request: Request, response: Response) -> None:
    """The browser forgets its session."""
    secure = request.url.scheme == "https"
    name = SECURE_COOKIE if secure else COOKIE
    response.delete_cookie(name, path="/", httponly=True, samesite="strict", secure=secure)


def paths_of(routers: Iterable[APIRouter]) -> frozenset[str]:
    """The paths of these routers' routes."""
    return frozenset(route.path for router in routers for route in router.routes if isinstance(route, APIRoute))


def is_local(request: Request) -> bool:
    """Whether the request comes from this very machine and nobody passed it on."""
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def brings_something(request: Request) -> bool:
    """Whether the request says who asks, rightly or not: a wrong token is to be noticed."""
    return "authorization" in request.headers


def is_page(request: Request) -> bool:
    """Whether a person looks at what is asked for, so that the way to the login page helps."""
    return request.method in ("GET", "HEAD") and not request.url.path.startswith(("/api/", "/ingest/"))


def login_required(request: Request) -> Exception:
    """Nobody is logged in: the way to the login page, or 401."""
    if is_page(request):
        query = f"?{request.url.query}" if request.url.query else ""
        return LoginNeeded(f"/login?next={quote(request.url.path + query, safe='/')}")
    text = Text("请先登录", "Log in first")
    return Problem(401, "login-required", text, headers={"WWW-Authenticate": 'Bearer realm="haulwatch"'})


def change_required(request: Request) -> Exception:
    """The password has to be changed before anything else."""
    if is_page(request):
        return LoginNeeded("/password")
    return Problem(403, "password-change-required", Text("请先修改一次性密码", "Change the one-time password first"))


def not_allowed(roles: frozenset[Role]) -> Problem:
    """403, naming who may."""
    names = [name for role, name in ROLE_NAMES.items() if role in roles]
    zh, en = "、".join(name.zh for name in names), ", ".join(name.en for name in names)
    return Problem(403, "not-permitted", Text(f"仅限{zh}", f"For {en} only"))


def to_login(_request: Request, error: Exception) -> Response:
    """`LoginNeeded` as an answer."""
    assert isinstance(error, LoginNeeded)
    return RedirectResponse(error.place, status_code=303, headers={"Cache-Control": "no-store"})
