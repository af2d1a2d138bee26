"""Documents without their secrets, and the secrets of documents. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kelvin_provision.masking.secret_fields import Secret, SecretFields, decoded
from kelvin_provision.masking.text import looks_random, secrets_in_text, unescaped


def mask_document(document: Any) -> Any:
    """A copy of a JSON document with `***` in place of every secret."""
    return SecretFields(_shown).walk(document)


def secrets_in(document: Any) -> Iterator[str]:
    """What `mask_document` takes out, so that it can be looked for elsewhere.

    What was hidden without a name that promises a secret counts only when it looks like one: `MODE=production` must not take the
    word `production` out of every log.
    """
    collected: list[Secret] = []

    def collect(value: Any, _: str, secrets: Sequence[Secret]) -> Any:
        collected.extend(secrets)
        return value

    SecretFields(collect).walk(document)
    for secret in collected:
        if not secret.certain:
            yield from [secret.text] if looks_random(secret.text) else ()
            continue
        yield from unescaped(secret.text)
        plain = decoded(secret.text)
        yield from [plain] if "PRIVATE KEY" in plain else secrets_in_text(plain)


def _shown(_: Any, shown: str, __: Sequence[Secret]) -> str:
    return shown
