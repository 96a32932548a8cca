#!/bin/bash
# What stands beside a server, on the load CPU and outside the server's process tree; all of it ends when the server's process is gone:
# Redis, and a reader of the server's stdout that throws all away, as a container's stdout has one.
# usage: beside.sh SERVER_PID REDIS_PORT FOLDER      (FOLDER/stdout: a pipe)
server=$1 port=$2 folder=$3
cd "$folder" || exit 1
[ -n "$LOAD_CPU" ] && taskset -cp "$LOAD_CPU" $$ >/dev/null
cat stdout >/dev/null & # ends with its last writer
# Redis does not compete with a load generator in production, and 50 ms of waiting are an outage: before the others where allowed
chrt -r 1 true 2>/dev/null && first="chrt -r 1"
for _ in {1..40}; do # the Redis of the start before may still hold the port
  $first redis-server --bind 127.0.0.1 --port "$port" --save "" --appendonly no --dir "$folder" --loglevel warning &
  echo $! >redis.pid
  sleep 0.05
  kill -0 $! 2>/dev/null && break
done
tail --pid="$server" -s 0.05 -f /dev/null
kill -KILL $!
