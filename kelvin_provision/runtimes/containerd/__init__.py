"""containerd, k3s's own or any other; `discovery.find` is the way in."""
