"""What a member does: the images that its leader wants are here, verified, in the runtime and pinned; with or without a leader."""
