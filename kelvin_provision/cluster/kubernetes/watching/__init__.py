"""Following the cluster: until workloads are up, and whenever one of our objects changes."""
