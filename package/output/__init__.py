"""The files in `dist/`."""
