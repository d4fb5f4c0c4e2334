#!/bin/sh
# Introduces itself, complains, and answers nothing more.
read -r hello
echo '{"id":0,"ok":{"name":"hanging","version":"1","kinds":["thread"],"can":["pool","apply","apply_async","get","close","join"]}}'
echo "no words for that" >&2
while read -r call; do :; done
