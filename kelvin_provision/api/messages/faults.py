"""From an exception that no handler expects to an error: trouble of the box, or a bug of ours, which the log has in full."""

from __future__ import annotations

import logging

from starlette.types import Scope

from kelvin_provision.errors import OurBug, ProvisionError
from kelvin_provision.files.durable import trouble_of_box
from kelvin_provision.masking.redactor import mask_text

LOG = logging.getLogger("kelvin_provision.api")


def explained(error: Exception, scope: Scope) -> ProvisionError:
    trouble = trouble_of_box(error) if isinstance(error, OSError) else None
    request = f"{scope['method']} {mask_text(scope['raw_path'].decode('latin-1'))[:200]}"  # as it was sent: it is one line
    if trouble is None:
        LOG.error("%s", request, exc_info=error)
    return trouble or OurBug(f"{type(error).__name__} while answering {request}", hint="see the log of the API")
