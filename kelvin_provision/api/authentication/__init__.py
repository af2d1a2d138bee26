"""Who asks: tokens, logins, and how often a password may be tried."""
