"""Makes the packages of the program: `python -m package`, which `make package` calls.

Not named packaging: pytest imports a library of that name.
"""
