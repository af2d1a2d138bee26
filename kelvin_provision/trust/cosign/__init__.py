"""Signatures of images in the formats of cosign, verified by key, without a network. See ../README.md."""
