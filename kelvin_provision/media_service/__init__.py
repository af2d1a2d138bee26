"""What is done with a medium that arrives: a rule of udev that starts a unit of systemd for it."""
