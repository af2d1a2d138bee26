"""Who may use the API: users with levels, their passwords, and the tokens that they get."""
