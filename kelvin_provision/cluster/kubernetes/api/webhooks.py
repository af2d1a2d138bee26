"""Retries of changes that an admission webhook blocks for a while: its pods are starting, or its certificate is not known yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from kelvin_provision.cluster.kubernetes.api.errors import WebhookFailed

FORWARD = 3
"""Attempts, each of which the client repeats for some seconds."""

BACK = 8
"""On the way back nothing has waited until the pods of the webhook are up."""

PAUSE = 0.5
Result = TypeVar("Result")


def retried(change: Callable[[], Result], attempts: int = FORWARD) -> Result:
    for _ in range(attempts - 1):
        try:
            return change()
        except WebhookFailed:
            time.sleep(PAUSE)
    return change()
