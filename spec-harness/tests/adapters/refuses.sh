#!/bin/sh
# Speaks another version of the protocol.
read -r hello
echo '{"id":0,"error":{"kind":"Protocol","text":"protocol 1 is not spoken here"}}'
