#!/bin/sh
# The interpreter of this tree with its own loader and libraries. Nothing is put into the environment: hooks, ctr and other children
# get that of the caller. -I: neither PYTHONPATH, PYTHONHOME nor the working directory change what is imported.
home='@HOME@'
exec "$home/runtime/@LOADER@" --inhibit-cache --library-path "$home/runtime" --argv0 "$home/bin/python" "$home/runtime/python3.11" -I@ARGUMENTS@ "$@"
