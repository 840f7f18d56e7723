#!/usr/bin/env bash
# Shows the whole program at work: starts it, sends a shop's transactions in, asks what a customer
# and an analyst would, and stays up until Ctrl-C.
#
#   tools/demo.sh PROGRAM [FILE.csv] [--exit]     --exit: ends by itself
#
# Without FILE.csv the transactions are synthetic, TILLRACE_DEMO_ROWS of them (100000). The data
# stay, so a second run starts at once and shows that sending the same again changes nothing.
set -euo pipefail

readonly rows=${TILLRACE_DEMO_ROWS:-100000}
unset TILLRACE_DEMO_ROWS # the program refuses settings that it does not know
readonly seed=1
server=

main() {
  local file='' stay=yes argument
  program=$(realpath "$1")
  for argument in "${@:2}"; do
    case $argument in
      --exit) stay= ;;
      *) file=$argument ;;
    esac
  done
  choose_places "$file"
  start_server
  send_transactions "$file"
  wait_until_settled
  show_reports
  show_addresses
  [ -z "$stay" ] || stay_up
}

say() { echo "$*" >&2; }
title() { printf '\n%s\n' "== $*"; }
fail() { say "demo: $*"; exit 1; }
till() { "$program" "$@" --data-dir "$data" --quiet; }

# A folder of its own for each source of data, and a port: 8080, or the next one that is free.
choose_places() {
  local name=synthetic
  [ -z "$1" ] || name=$(basename "$1" .csv | tr -c 'A-Za-z0-9_\n-' _)
  data=$(parent_folder)/$name/data
  mkdir -p "$data"
  work=${data%/data}
  port=8080
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  url=http://127.0.0.1:$port
}

# build/demo; or, where root runs this from a folder that PostgreSQL's own user may not enter, one
# that it may.
parent_folder() {
  local folder=$PWD/build/demo
  if [ "$(id -u)" = 0 ] && ! others_may_enter "$PWD/build"; then
    folder=${TMPDIR:-/tmp}/tillrace-demo
    mkdir -p "$folder"
    [ -O "$folder" ] || fail "$folder belongs to somebody else; set TMPDIR to a folder of your own"
  fi
  echo "$folder"
}

others_may_enter() {
  local folder=$1
  while [ "$folder" != / ]; do
    [ $((0$(stat -c %a "$folder") & 1)) = 1 ] || return 1
    folder=$(dirname "$folder")
  done
}

# The server gets a process group of its own, so that Ctrl-C reaches this script alone, which then
# stops it in order.
start_server() {
  say "starting Tillrace on $url, data in $data"
  trap stop_server EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP PIPE
  set -m
  "$program" up --data-dir "$data" --listen "127.0.0.1:$port" >"$work/up.log" 2>&1 </dev/null &
  server=$!
  set +m
  wait_until_ready
}

wait_until_ready() {
  for _ in $(seq 600); do
    ! curl --silent --fail --output /dev/null --max-time 2 "$url/readyz" || return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$work/up.log" >&2
  fail "Tillrace did not get ready within a minute; its last words are above, all in $work/up.log"
}

stop_server() {
  [ -n "$server" ] || return 0
  trap '' PIPE
  kill -TERM "$server" 2>/dev/null || true
  say "stopping" || true
  wait "$server" 2>/dev/null || true
  server=
}

send_transactions() {
  local events=$work/transactions.ndjson
  if [ -n "$1" ]; then
    say "converting $1"
    # 1: some rows are no transactions; it has named them, and the others are there.
    "$program" convert "$1" -o "$events" || [ $? = 1 ]
  else
    say "making up $rows transactions of a shop"
    "$program" generate --rows "$rows" --seed "$seed" >"$events"
  fi
  say "sending them"
  "$program" post "$events" --url "$url"
}

# Accepted means durable, and visible a moment later: /readyz says how many are still on the way.
wait_until_settled() {
  local waiting
  for _ in $(seq 3000); do
    waiting=$(curl --silent --max-time 5 "$url/readyz" | jq '[.lag[].records] | add')
    [ "$waiting" != 0 ] || return 0
    sleep 0.1
  done
  fail "$waiting events are not in the warehouse after five minutes; see $work/up.log"
}

show_reports() {
  local customer
  title "Total sales"
  till report total-sales
  title "Top 10 products"
  till report top-products
  customer=$(till report customer-summary --json | jq -r 'first(.. | .customer_id? | strings)')
  title "Customer $customer: spend to date, orders, returns"
  till customer "$customer"
}

show_addresses() {
  title "Where things are"
  till status
}

stay_up() {
  say
  say "Tillrace stays up until Ctrl-C. Try:"
  say "  build/release/tillrace report sales-over-time --data-dir $data"
  wait "$server" || true
  server=
  tail -n 20 "$work/up.log" >&2
  fail "Tillrace has ended by itself; its last words are above"
}

[ $# -ge 1 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
main "$@"
