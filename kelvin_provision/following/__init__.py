"""Publications that this box follows: asked for, verified, and staged as a deploy is."""
