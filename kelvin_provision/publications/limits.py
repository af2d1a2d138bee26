"""What a publication or a report may have. More is refused before anything is stored."""

from __future__ import annotations

from kelvin_provision.bundles import limits as bundles

DOCUMENT = 4 << 20
"""Bytes of a publication's document."""
REQUESTS = bundles.REQUESTS
REQUEST = bundles.REQUEST
ALL_REQUESTS = bundles.ALL_REQUESTS
WITHDRAWN = 1024
BOXES = 1024
"""Names or patterns in one selector."""
STARS = 4
"""In one pattern: each more makes the comparison slower."""
LABELS = 64
LABEL_VALUES = 64
CLUSTERS = 8
PLATFORMS = bundles.PLATFORMS
SIGNATURES = bundles.SIGNATURES

REPORT = 512 << 10
"""Bytes of a report's document."""
FOLLOWED = 64
WORKLOADS = 2048

MANIFEST = 4 << 20
EMBEDDED = 48 << 10
"""Bytes of a document that is embedded in its manifest: one request for it in place of three."""
