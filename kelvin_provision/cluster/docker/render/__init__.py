"""From a revision to the bodies of Docker Engine's API. Pure."""
