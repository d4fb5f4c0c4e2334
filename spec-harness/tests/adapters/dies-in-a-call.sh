#!/bin/sh
# Introduces itself and ends in its first call.
read -r hello
echo '{"id":0,"ok":{"name":"dying","version":"1","kinds":["thread"],"can":["pool","apply","apply_async","get","close","join"]}}'
read -r call
case $call in
  *'"exit"'*) exit 0 ;;
esac
exit 4
