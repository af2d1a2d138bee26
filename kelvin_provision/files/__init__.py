"""Files, locks, hashes and the kernel's tables of this box."""
