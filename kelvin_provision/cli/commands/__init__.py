"""One module a command; `cli.table` names them."""
