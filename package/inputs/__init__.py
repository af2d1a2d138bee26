"""What comes from Debian and from PyPI, and the commit."""
