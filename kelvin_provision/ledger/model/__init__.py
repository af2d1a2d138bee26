"""Rows of the ledger as frozen values."""
