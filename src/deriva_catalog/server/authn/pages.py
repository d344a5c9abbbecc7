"""The few pages that people see when they log in. They need no scripts and load nothing."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from ..messages import Answer

__all__ = ["link_page", "login_page", "message_page"]

_HEADERS = {
    "Cache-Control": "no-store",
    # A form may lead back to this service only; the page cannot be framed.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 12vh auto;
  padding: 0 1rem }}
label {{ display: block; margin: .8rem 0 }}
input {{ display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .4rem }}
button, a.button {{ display: block; width: 100%; box-sizing: border-box; font: inherit;
  padding: .5rem; margin: 1.2rem 0; text-align: center }}
.problem {{ border-left: 4px solid #b00020; padding-left: .8rem }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
_FORM = """<form method="post" action="/authn/session">
<label>Name <input name="username" autocomplete="username" required autofocus></label>
<label>Password
<input name="password" type="password" autocomplete="current-password" required></label>
<input type="hidden" name="referrer" value="{referrer}">
<button>Log in</button>
</form>"""
_LINK_FORM = """<p>This link logs you in on this browser. It works once.</p>
<form method="post" action="/authn/session">
<input type="hidden" name="link" value="{secret}">
<input type="hidden" name="referrer" value="/">
<button>Log in</button>
</form>"""


def login_page(
    *,
    referrer: str,
    accounts: bool,
    provider: str | None,
    problem: str | None = None,
    status: int = 200,
    more: dict[str, str] | None = None,
) -> Answer:
    """The page to log in at.

    Args:
        referrer: Where one goes then; checked before.
        accounts: Whether there is a form for a name and a password.
        provider: The name of the provider, if there is one.
        problem: What went wrong a moment ago.
        status: The status of the answer.
        more: More headers.
    """
    parts = []
    if problem:
        parts.append(f'<p class="problem" role="alert">{escape(problem)}</p>')
    if provider:
        place = f"/authn/provider?referrer={quote(referrer, safe='')}"
        parts.append(f'<a class="button" href="{escape(place)}">Log in with {escape(provider)}</a>')
    if accounts:
        parts.append(_FORM.format(referrer=escape(referrer)))
    return _page("Log in", "\n".join(parts), status, more)


def link_page(secret: str) -> Answer:
    """The page behind a login link: a button, so that looking at the link does not use it up."""
    return _page("Log in", _LINK_FORM.format(secret=escape(secret)), 200, None)


def message_page(title: str, text: str, *, status: int = 200) -> Answer:
    """A page that says something, with a way on."""
    body = f'<p>{escape(text)}</p>\n<a class="button" href="/">Go on</a>'
    return _page(title, body, status, None)


def _page(title: str, body: str, status: int, more: dict[str, str] | None) -> Answer:
    text = _PAGE.format(title=escape(title), body=body)
    return Answer(status, text.encode(), "text/html; charset=utf-8", {**_HEADERS, **(more or {})})
