"""Staging: images are resolved, downloaded, verified and imported. See README.md."""
