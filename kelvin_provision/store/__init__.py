"""The content-addressed image store: an OCI image layout, partial downloads beside it, and a record of what we verified."""

from kelvin_provision.store.layout import Store
from kelvin_provision.store.partial import Partial

__all__ = ["Partial", "Store"]
