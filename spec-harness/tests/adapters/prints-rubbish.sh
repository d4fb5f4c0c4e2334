#!/bin/sh
# Introduces itself and then prints what is no message.
read -r hello
echo '{"id":0,"ok":{"name":"babbling","version":"1","kinds":["thread"],"can":["pool","apply","apply_async","get","close","join"]}}'
read -r call
echo 'Traceback (most recent call last):'
while read -r call; do :; done
