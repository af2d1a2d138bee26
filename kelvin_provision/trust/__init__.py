"""Signatures: who made a bundle or a request, by keys that the site trusts."""
