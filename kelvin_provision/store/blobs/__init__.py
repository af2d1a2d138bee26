"""Blobs on disk: resumable writes, verification, ingest from the container runtime."""
