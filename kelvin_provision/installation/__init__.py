"""The program on this box: its versions, their switch, and what lies elsewhere."""
