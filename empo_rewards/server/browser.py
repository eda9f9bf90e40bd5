"""A browser's way to the report: a form for the API key, a cookie, and the page. Scripts send the key itself.

The cookie is not the key but a random token of this start of the server. It opens the report only, for reading: no page
elsewhere can make a browser post samples with it. HTTP's own dialog (Basic) would let it do that.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from empo_rewards.report.page import live_page
from empo_rewards.server.report import TITLE

LOGIN = "/login"

DATA = frozenset({"/report/index", "/report/group"})

PAGES = frozenset({"/", LOGIN, *DATA})

COOKIE = "empo_rewards_report"

MAX_LOGIN_BYTES = 4_096

POLL_SECONDS = 2.0
"""How often the page asks for what is new."""

HEADERS = {
    "cache-control": "private, no-cache",
    "content-security-policy": "frame-ancestors 'none'",  # the page's own policy is in it
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

FORM = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>empo_rewards</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; form-action 'self'">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body { font: 1rem/1.5 system-ui, sans-serif; margin: 4rem auto; max-width: 24rem; padding: 0 1rem }
input, button { font: inherit; padding: .3rem .6rem }</style>
<h1>The reward server's report</h1>
{{said}}<form method="post" action="login"><p><label>API key<br>
<input type="password" name="key" autocomplete="current-password" required autofocus></label>
<button>Show</button></form>
"""


class BrowserAccess:
    """Who sees the report.

    Args:
        key: the API key; None: the server has none.
        host: where the server listens.
    """

    def __init__(self, key: str | None, host: str) -> None:
        self._key, self._host = None if key is None else key.encode(), host
        self._token = secrets.token_urlsafe(32)
        self._page = live_page(TITLE, POLL_SECONDS).encode()
        self._etag = f'"{hashlib.sha256(self._page).hexdigest()[:32]}"'

    def admits(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request without the key may pass: it logs in, or has the cookie."""
        path, method = scope["path"], scope["method"]
        if path == LOGIN:
            return True
        return path in PAGES and method == "GET" and self._has_cookie(headers.get(b"cookie", b""))

    def from_here(self, host: str) -> bool:
        """Whether a request's `Host` names this machine: without a key, the pages of others must not read the report
        by pointing their own name at it (DNS rebinding)."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if self._key is not None or name in ("localhost", self._host):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def form(self, said: str = "") -> Response:
        """The form, for a request to `/` that shows no key, with what is said above it."""
        return HTMLResponse(FORM.replace("{{said}}", said), HTTPStatus.UNAUTHORIZED, HEADERS)

    def log_in(self, body: bytes) -> Response:
        """The cookie for the right key, else the form again."""
        given = parse_qs(body.decode("latin-1")).get("key", [""])[0].strip()
        if self._key is not None and not hmac.compare_digest(given.encode(), self._key):
            return self.form('<p role="alert">This is not the key.</p>')
        response = RedirectResponse("./", HTTPStatus.SEE_OTHER, HEADERS)
        response.set_cookie(COOKIE, self._token, path=None, httponly=True, samesite="strict")
        return response

    def page(self, known: str | None) -> Response:
        """The page, or 304 where the browser has it."""
        headers = {**HEADERS, "etag": self._etag}
        if known == self._etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return HTMLResponse(self._page, headers=headers)

    def _has_cookie(self, header: bytes) -> bool:
        pairs = (pair.strip().partition(b"=") for pair in header.split(b";"))
        return any(
            name == COOKIE.encode() and hmac.compare_digest(value, self._token.encode()) for name, _, value in pairs
        )
