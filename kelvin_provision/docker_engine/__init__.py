"""The one client of Docker Engine, for the cluster and for the container runtime; `engine.Engine` is the way in."""
