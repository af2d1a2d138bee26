"""Migrations of the ledger: the text of each is never changed once a box may have it."""
