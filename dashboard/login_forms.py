"""The forms with which people log in and give themselves passwords: plain HTML without a script."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from urllib.parse import quote

from starlette.responses import Response

from collector.access.passwords import SHORTEST

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;margin:0;"
    "background:Canvas;color:CanvasText;color-scheme:light dark}form{width:20rem;display:grid;gap:.75rem}"
    "label{display:grid;gap:.25rem}input,button{font:inherit;padding:.5rem}p.fault{color:light-dark(#b3261e,#ff8a80);margin:0}"
    "h1{font-size:1.5rem;margin:0}p{margin:0}"
)
_POLICY = (
    "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_NEW = (
    f"<label>New password<input name=new type=password autocomplete=new-password minlength={SHORTEST} required></label>"
    f"<p>At least {SHORTEST} characters, none of the most common passwords, and not your name.{{}}</p>"
)


def login_form(aim: str, fault: str = "", *, provider: bool = False) -> str:
    """Name and password; `aim` is the page that was asked for, of this site."""
    link = f'<p><a href="/login/oidc?next={quote(aim, safe="")}">Log in with your organisation</a></p>'
    return (
        f'<form method=post action="/login"><h1>Milepost</h1>{_told(fault)}{link if provider else ""}{_aimed(aim)}'
        "<label>Name<input name=name autocomplete=username required autofocus></label>"
        "<label>Password<input name=password type=password autocomplete=current-password required></label>"
        "<button>Log in</button></form>"
    )


def own_password_form(fault: str = "") -> str:
    """Another password for whoever is logged in."""
    return (
        f'<form method=post action="/password"><h1>Change the password</h1>{_told(fault)}'
        "<label>Present password<input name=old type=password autocomplete=current-password required autofocus></label>"
        f"{_NEW.format(' You are logged out everywhere else.')}<button>Change</button></form>"
    )


def first_password_form(name: str, aim: str, fault: str = "") -> str:
    """A password of his own for whoever has one that somebody else chose."""
    return (
        f'<form method=post action="/login/password"><h1>Choose a password</h1>{_told(fault)}{_aimed(aim)}'
        "<p>Somebody else chose the password that you have. Choose one that only you know.</p>"
        f'<label>Name<input name=name autocomplete=username readonly value="{escape(name, quote=True)}"></label>'
        "<label>Present password<input name=old type=password autocomplete=current-password required autofocus></label>"
        f"{_NEW.format('')}<button>Choose and log in</button></form>"
    )


def _told(fault: str) -> str:
    return f"<p class=fault role=alert>{escape(fault)}</p>" if fault else ""


def _aimed(aim: str) -> str:
    return f'<input type=hidden name=next value="{escape(aim, quote=True)}">'


def page(content: str, status: int = 200, more: dict[str, str] | None = None) -> Response:
    """A page with this in the middle; `more` are headers."""
    whole = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Milepost</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main>{content}</main></body></html>"
    )
    return Response(whole, status, _HEADERS | (more or {}), "text/html")
