"""The content-addressed image store: an OCI image layout with partial downloads beside it. See README.md."""

from kelvin_provision.store.blob_files import BlobState
from kelvin_provision.store.blobs.partial import Partial
from kelvin_provision.store.store import Store

__all__ = ["BlobState", "Partial", "Store"]
