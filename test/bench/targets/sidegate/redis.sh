#!/bin/bash
# Redis beside a server, on the load CPU and outside the server's process tree; it ends when the server's process is gone.
# usage: redis.sh SERVER_PID PORT FOLDER
server=$1 port=$2 folder=$3
cd "$folder" || exit 1
[ -n "$LOAD_CPU" ] && taskset -cp "$LOAD_CPU" $$ >/dev/null
for _ in {1..40}; do # the Redis of the start before may still hold the port
  redis-server --bind 127.0.0.1 --port "$port" --save "" --appendonly no --dir "$folder" --loglevel warning &
  echo $! >"$folder/redis.pid"
  sleep 0.05
  kill -0 $! 2>/dev/null && break
done
tail --pid="$server" -s 0.05 -f /dev/null
kill -KILL $!
