"""A box with Docker Engine and no Kubernetes: `cluster.DockerBox` is the way in."""
