"""The floor: durable files and the lock."""
