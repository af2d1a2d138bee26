"""Use-cases about bundles."""
