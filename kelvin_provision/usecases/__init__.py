"""The seam under every front end: one function a verb, a `Context` and a typed request in, a typed result out."""
