"""On which nodes the images of a version are needed, and which of them have it."""
