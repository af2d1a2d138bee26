"""The black box for a site visit: what is known of this box, gathered, redacted and packed. It changes nothing."""
