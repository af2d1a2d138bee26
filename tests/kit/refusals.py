"""The secrets that the registry tests use, and a `pytest.raises` that finds them wherever an error could carry them."""

import base64
from contextlib import contextmanager

import pytest

USER, PASSWORD = "technician", "hunter2-password"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
IDENTITY = "identity-secret"
SECRETS = (PASSWORD, BASIC, IDENTITY, "first-token", "second-token", "query-secret", "X-Signature")


def all_words(error):
    """Everything that `-v` would print of it: its causes too."""
    while error is not None:
        yield f"{error} {error!r} {getattr(error, 'hint', '')} {getattr(error, 'evidence', '')} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@contextmanager
def refused(kind, match=None):
    """The block raises exactly this kind, with these words, and nothing secret in it."""
    with pytest.raises(kind, match=match) as caught:
        yield caught
    assert type(caught.value) is kind
    words = "\n".join(all_words(caught.value))
    assert [secret for secret in SECRETS if secret in words] == []
