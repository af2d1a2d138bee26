"""Zips as bundles: packages of this program, and those of others."""
