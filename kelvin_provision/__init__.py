"""Stage workloads while there is a network; apply them when there is none."""

__version__ = "0.1.0"
