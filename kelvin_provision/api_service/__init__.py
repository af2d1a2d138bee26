"""The API as a systemd service."""
