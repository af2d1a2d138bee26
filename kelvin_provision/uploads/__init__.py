"""Files that are being uploaded to this box in chunks, or were."""
