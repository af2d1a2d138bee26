"""One function for each thing that this program does: a typed request in, a typed result out, no terminal."""
