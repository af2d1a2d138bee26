"""From the words of a command line to the values of a command."""
