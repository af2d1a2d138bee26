"""Container logs, the same for every cluster: bytes to lines, and many streams followed as one."""
