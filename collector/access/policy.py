"""What a request needs, by its method and path. Pure; what is not named here needs the most that it could."""

from __future__ import annotations

from collector.access.principal import ACT, INGEST, METRICS, OVERVIEW, QUERY, RAW

_OPEN = frozenset(("/healthz", "/readyz", "/login", "/login/oidc", "/login/callback", "/login/password", "/logout"))
_DOORS = frozenset(("/events", "/v1/traces", "/v1/logs"))
_FIGURES = frozenset(("/api/v1/region", "/api/v1/regions"))
_RAW = "/api/v1/dead-letters/"
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


def need_of(method: str, path: str) -> str | None:
    """The scope without which a request is refused; None where anybody may, or what is asked looks for itself.

    What systems send to `/sources/`, and chats to `/inbound/`, is signed or brings a secret, which is judged there. The
    handshake of CloudEvents (`OPTIONS /events`) gives nothing away.
    """
    if path in _DOORS:
        return None if method == "OPTIONS" else INGEST
    if path in _OPEN or path.startswith(("/sources/", "/inbound/")):
        return None
    if path == "/metrics":
        return METRICS
    if method in SAFE and path.startswith(_RAW):
        # What was sent, as it came: not for everybody who may look.
        return RAW
    if method in SAFE and path in _FIGURES:
        return OVERVIEW
    if method in SAFE:
        return QUERY
    # Dash asks for what it draws by POST; whatever acts asks by itself who it is. His own password is everybody's.
    return QUERY if path.startswith("/dashboard/_dash-") or path == "/password" else ACT


def is_foreign(method: str, headers: dict[bytes, bytes], *, has_session: bool) -> bool:
    """Whether a browser sends this for a page of another site.

    Browsers say by `Sec-Fetch-Site` where a request comes from, older ones by `Origin`. Who brings a session is a
    browser: where it says neither, nothing is done for it.
    """
    if method in SAFE:
        return False
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in (b"same-origin", b"none") if has_session else site == b"cross-site"
    origin = headers.get(b"origin")
    if origin is None:
        return has_session
    return has_session and origin.partition(b"://")[2].lower() != headers.get(b"host", b"").lower()
