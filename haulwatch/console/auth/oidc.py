"""Logging in through an identity provider: there and back, bound to the browser that began it.

What an attempt needs on its way back (state, nonce, PKCE verifier, where to go) is in a short-lived cookie of that
browser, out of reach of scripts: any console can finish what another began, and an answer that somebody else asked for
fits no cookie.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from haulwatch.console.access import Open, give_session, session_of
from haulwatch.console.auth.pages import NO_STORE, address_of, home_of, own_path
from haulwatch.console.auth.templates import language_of, page
from haulwatch.console.ports import IdentityProvider
from haulwatch.domain.errors import HaulwatchError, WorldError
from haulwatch.domain.people import LoginRefused, NotVouchedFor, PeopleDesk
from haulwatch.domain.text import Text

COOKIE, SECURE_COOKIE = "haulwatch_oidc", "__Host-haulwatch_oidc"
LASTS_S = 600
MAX_COOKIE = 4096


class Attempt(Struct, frozen=True):
    """One browser's way to the provider and back."""

    state: str
    nonce: str
    verifier: str
    place: str


def router(people: PeopleDesk, provider: IdentityProvider) -> APIRouter:
    """/login/oidc and its callback."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/login/oidc", dependencies=[Depends(Open())])
    async def begin(request: Request, next: str = "/") -> Response:
        """Sends the browser to the provider."""
        attempt = Attempt(
            secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), own_path(next)
        )
        try:
            address = await run_in_threadpool(
                provider.address, state=attempt.state, nonce=attempt.nonce, verifier=attempt.verifier
            )
        except WorldError as error:
            return failed(request, error, 503)
        answer = RedirectResponse(address, status_code=303, headers=NO_STORE)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            _cookie(request),
            msgspec.json.encode(attempt).hex(),
            max_age=LASTS_S,
            path="/",
            httponly=True,
            samesite="lax",  # the way back begins at the provider's page
            secure=secure,
        )
        return answer

    @pages.get("/login/oidc/callback", dependencies=[Depends(Open())])
    async def back(request: Request, code: str = "", state: str = "", error: str = "") -> Response:
        """Begins a session for whom the provider vouches for."""
        attempt = _attempt(request)
        if attempt is None or not hmac.compare_digest(state.encode(), attempt.state.encode()):
            words = Text(
                "登录已过期或不是从本页开始，请重新登录", "this login has expired or began elsewhere; begin again"
            )
            return failed(request, NotVouchedFor("expired", words), 400)
        if error or not code:
            words = Text("统一认证没有放行，请重试", "the identity provider did not let you in")
            return failed(request, NotVouchedFor("refused", words), 401)
        try:
            claimed = await run_in_threadpool(
                provider.claimed, code=code, nonce=attempt.nonce, verifier=attempt.verifier
            )
            session = await run_in_threadpool(
                people.log_in_as, claimed, address=address_of(request), old_token=session_of(request)
            )
        except LoginRefused:
            return failed(request, HaulwatchError(Text("此账户已停用", "this account is disabled")), 401)
        except NotVouchedFor as refusal:
            return failed(request, refusal, 401)
        except WorldError as trouble:
            return failed(request, trouble, 503)
        place = home_of(session.visitor.actor) if attempt.place == "/" else attempt.place
        # Not a redirect: a browser that comes from another site's page would leave its new, strict cookie behind.
        answer = page(request, "entered.html", path="/", place=place)
        give_session(request, answer, session.token, session.lasts_s)
        _forget(request, answer)
        return answer

    return pages


def failed(request: Request, error: HaulwatchError, status: int) -> Response:
    """The login page's own words for what went wrong, with the way to try again."""
    answer = page(request, "refused.html", status=status, path="/login", error=error.text.lang(language_of(request)))
    _forget(request, answer)
    return answer


def _cookie(request: Request) -> str:
    return SECURE_COOKIE if request.url.scheme == "https" else COOKIE


def _forget(request: Request, answer: Response) -> None:
    answer.delete_cookie(
        _cookie(request), path="/", httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )


def _attempt(request: Request) -> Attempt | None:
    kept: Any = request.cookies.get(_cookie(request), "")
    try:
        return msgspec.json.decode(bytes.fromhex(kept[:MAX_COOKIE]), type=Attempt)
    except (ValueError, msgspec.MsgspecError):
        return None
