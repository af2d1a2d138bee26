"""The ledger and what belongs to it as one file, from which another box takes the lead."""
