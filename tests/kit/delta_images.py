"""Two images that differ in a small file of a large layer."""

import os

from tests.kit.images import make_image, tar_of

OLD, NEW = "r.io/pump:1.0.0", "r.io/pump:1.1.0"
NOISE, SHARED = os.urandom(200_000), tar_of({"base": os.urandom(5_000)})
BEFORE, AFTER = tar_of({"app": NOISE, "version": b"1.0.0"}), tar_of({"app": NOISE, "version": b"1.1.0"})
IMAGES = {OLD: make_image([SHARED, BEFORE]), NEW: make_image([SHARED, AFTER])}
