"""The REST API of this box: a front end beside the command line, in a process of its own."""
