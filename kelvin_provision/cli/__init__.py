"""The command line: arguments to one call, and the only place that prints or exits."""
