"""Rules of glibc with which memory that was used once goes back to the kernel: the API lives for months on a small box.

scrypt takes 16 MiB for a login. When glibc frees such a piece it takes that size for usual from then on, and keeps all pieces up to it:
with its own rules, the first login made the process 16 MiB larger for good. Its rules can be set only before the process starts.
"""

from __future__ import annotations

RULES = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_TOP_PAD_": "16384",
}
"""mallopt(3). A threshold that is set explicitly is no longer adjusted by glibc."""
