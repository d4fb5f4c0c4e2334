#!/bin/sh
# Ends before it has said anything.
echo "no such library" >&2
exit 3
