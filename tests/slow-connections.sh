#!/usr/bin/env bash
# Whether a comparator answers while 1,000 connections send their headers slowly, send their bodies slowly, or read their answers slowly.
# The one argument is the binary `antumbra`. Prints a line for each kind, and fails if a probe in between was not answered.
set -euo pipefail

binary=$(realpath "$1")
port=${ANTUMBRA_PORT:-7499}
directory=$(mktemp -d)
cd "$directory"
head -c 24 /dev/urandom | base64 >token
chmod 600 token
"$binary" serve --listen "127.0.0.1:$port" --data slow.db --token-file token >serve.out 2>serve.log &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$directory"' EXIT
until grep -q listening serve.out; do
  kill -0 "$server"
  sleep 0.1
done

failed=0
# attack NAME URL OPTION…
attack() {
  local name=$1 url=$2 probes unanswered
  shift 2
  slowhttptest "$@" -c 1000 -r 200 -i 5 -l 20 -p 3 -u "http://127.0.0.1:$port$url" >attack.out 2>&1 || true
  probes=$(grep -ac 'service available' attack.out || true)
  unanswered=$(grep -a 'service available' attack.out | grep -vac YES || true)
  printf '%s: %d probes, %d not answered\n' "$name" "$probes" "$unanswered"
  if [ "$probes" -eq 0 ] || [ "$unanswered" -ne 0 ]; then failed=1; fi
}

attack "slow headers" /healthz -H
attack "slow bodies" /healthz -B
attack "slow readers" /healthz -X -k 5
curl -s -H "authorization: Bearer $(cat token)" "http://127.0.0.1:$port/metrics" | grep 'connections_refused_total' || true
exit $failed
