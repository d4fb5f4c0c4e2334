#!/bin/sh
# Does as it should, and leaves a process behind.
read -r hello
echo '{"id":0,"ok":{"name":"messy","version":"1","kinds":["thread"],"can":["pool","close","join"]}}'
sh -c 'kill -STOP $$' left-behind-by-a-test >/dev/null 2>&1 </dev/null &
id=0
while read -r call; do
  case $call in
    *'"exit"'*) exit 0 ;;
  esac
  id=$((id + 1))
  echo "{\"id\":$id,\"ok\":null}"
done
