#!/bin/sh
# Says by $READY, a named pipe, that it runs, and then nothing until nobody asks any more.
echo ready >"$READY"
cat >/dev/null
