"""Pages, manuals and completion scripts, generated from the commands themselves."""
