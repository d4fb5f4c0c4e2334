#!/bin/sh
# Says 42 to everything, and runs nothing.
read -r hello
echo '{"id":0,"ok":{"name":"guessing","version":"1","kinds":["thread"],"can":["pool","apply","apply_async","get","close","join"]}}'
id=0
while read -r call; do
  case $call in
    *'"exit"'*) exit 0 ;;
  esac
  id=$((id + 1))
  echo "{\"id\":$id,\"ok\":42}"
done
