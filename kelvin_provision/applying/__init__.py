"""Applying: plan, transaction, undo, recovery, start and stop. Knows protocols, never an implementation."""
