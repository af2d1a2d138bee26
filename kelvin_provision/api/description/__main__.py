"""`python -m kelvin_provision.api.description` writes the document that the API sends."""

import sys

from kelvin_provision.api.description.document import FILE, text

FILE.write_text(text(), "utf-8")
sys.stdout.write(f"written: {FILE.name}\n")
