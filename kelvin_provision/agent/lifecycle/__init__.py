"""One agent at a time: its lock and files, starting it, replacing it, stopping it."""
