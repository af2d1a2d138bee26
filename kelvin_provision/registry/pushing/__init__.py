"""Pushes blobs and manifests to a registry (OCI distribution specification 1.1)."""
