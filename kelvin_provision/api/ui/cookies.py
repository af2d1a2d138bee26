"""The cookie of a session. With TLS its name has the prefix `__Host-`: browsers then accept it from this very host only, and with TLS."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

SECURE_NAME, NAME = "__Host-kp", "kp"


def session_text(request: Request) -> str:
    """Empty without one, and where there are several: then another site may have set one of them."""
    name = _name(request)
    parts = [part.strip().partition("=") for header in request.headers.getlist("cookie") for part in header.split(";")]
    values = [value for key, _, value in parts if key == name]
    return values[0] if len(values) == 1 else ""


def set_session(request: Request, response: Response, text: str, longest: float) -> Response:
    response.headers["set-cookie"] = f"{_name(request)}={text}; Path=/; Max-Age={longest:.0f}; HttpOnly; SameSite=Strict{_secure(request)}"
    return response


def clear_session(request: Request, response: Response) -> Response:
    response.headers["set-cookie"] = f"{_name(request)}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{_secure(request)}"
    return response


def _name(request: Request) -> str:
    return SECURE_NAME if _has_tls(request) else NAME


def _secure(request: Request) -> str:
    return "; Secure" if _has_tls(request) else ""


def _has_tls(request: Request) -> bool:
    return bool(request.scope["scheme"] == "https")
