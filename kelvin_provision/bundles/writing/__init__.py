"""Writing a bundle: where each member lies, and the bytes on the medium."""
