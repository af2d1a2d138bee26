"""A support bundle of this box, as every front end makes it: its name, its sections, and the secrets that it must not have."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kelvin_provision import timestamps
from kelvin_provision.foreign import known
from kelvin_provision.masking.redactor import Redactor
from kelvin_provision.support import sections
from kelvin_provision.support.archive import Bundle
from kelvin_provision.support.sections import SupportScope


@contextmanager
def bundle_of(scope: SupportScope, stop: Callable[[], bool]) -> Iterator[Bundle]:
    """Its `folder` is named after host and time; what could not be searched for secrets is `about["unread"]`."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", os.uname().nodename)
    now = timestamps.now()
    with scope.opened() as opened:
        secrets, unread = known.gather(sections.secrets(opened))
        about = {"made": timestamps.rfc3339(now), "host": host, "unread": list(unread)}
        folder = f"kelvin-provision-{host}-{now:%Y%m%dT%H%M%SZ}"
        yield Bundle(folder, sections.sections(opened), Redactor(secrets, sections.subjects(opened)), about, stop)
