"""Whether the libraries of the API are here. Imports none of them."""

from __future__ import annotations

from importlib.util import find_spec

from kelvin_provision.errors import ApiMissing

LIBRARIES = ("starlette", "uvicorn", "jinja2", "prometheus_client")


def refuse_missing() -> None:
    """Raises ApiMissing without the libraries of the API."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise ApiMissing(f"the API needs {', '.join(missing)}")
