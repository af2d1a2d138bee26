"""The tree that is installed: interpreter, libraries, loader, program, licences."""
