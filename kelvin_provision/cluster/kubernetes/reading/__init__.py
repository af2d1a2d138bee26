"""What is read of workloads that are on the cluster."""
