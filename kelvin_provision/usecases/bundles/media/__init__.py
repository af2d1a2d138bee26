"""What an import does with the medium itself, and what a medium that arrives does by itself."""
