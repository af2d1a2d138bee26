"""The texts of the pages, in each language."""
