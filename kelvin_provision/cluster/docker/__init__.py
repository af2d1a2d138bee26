"""Workloads on a box with Docker Engine and no Kubernetes; `cluster.DockerCluster` is the way in."""
