"""The read side: typed answers from ledger, store and files."""
