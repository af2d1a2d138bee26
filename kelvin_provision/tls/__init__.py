"""The certificate of the API: which names it needs, where it is, how it is read and made."""
