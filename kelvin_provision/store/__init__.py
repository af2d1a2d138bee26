"""What we keep of images: an OCI layout and partial downloads."""
