"""The same work beside what one would use instead, in one run, printed as ratios. Nothing here is a test."""
