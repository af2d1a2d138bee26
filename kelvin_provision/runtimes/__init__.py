"""Container runtimes: where images are imported for containers to use."""
