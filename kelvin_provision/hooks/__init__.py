"""Scripts of the site that run before and after an apply."""
