"""Services of systemd: their unit files, installing and starting them, and what a service and systemd tell each other."""
