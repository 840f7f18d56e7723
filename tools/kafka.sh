#!/usr/bin/env bash
# One Apache Kafka broker (KRaft: broker and controller in one process) on 127.0.0.1, for tests and
# trials. It listens in four ways: plain, TLS, SASL, and SASL in TLS; `ports` tells where.
#
#   tools/kafka.sh start DIR     starts it in the background, and waits until it answers
#   tools/kafka.sh run DIR       the same in the foreground, until it is told to stop
#   tools/kafka.sh stop DIR      TERM, then KILL after 20 s
#   tools/kafka.sh ports DIR     NAME=127.0.0.1:PORT a line: plain, tls, sasl, sasl_tls
#   tools/kafka.sh topic DIR NAME [PARTITIONS [KEY=VALUE ...]]   makes a topic
#   tools/kafka.sh tool DIR CLASS [ARGUMENT ...]   one of Kafka's own tools; in the arguments
#                                @BROKER@ becomes the plain address
#   tools/kafka.sh wipe DIR      stops it and removes DIR
#   tools/kafka.sh libs          only fetches the jars, which tools/kafka/pom.xml fixes
#
# DIR holds data, certificates (ca.pem), settings, broker.log and pid; data survives a stop. The
# user of SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) is tillrace, with the password tillrace-secret.
# Environment: KAFKA_HEAP (default 512m), KAFKA_PROPERTIES (more lines for server.properties).
# Exit: 0 done, 1 it did not work, 2 usage, 3 Java or Maven is missing.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly tools
readonly wait_s=60 user=tillrace password=tillrace-secret
readonly kinds=(plain tls sasl sasl_tls controller)

say() { echo "kafka: $*" >&2; }
die() { say "$@"; exit 1; }
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

jars() {
  local digest
  digest=$(sha256sum <"$tools/kafka/pom.xml")
  echo "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tillrace/kafka-${digest:0:12}"
}

libs() {
  local folder
  folder=$(jars)
  [ ! -e "$folder/complete" ] || return 0
  command -v mvn >/dev/null || { say "Maven is missing; run tools/install.sh test"; exit 3; }
  mkdir -p "$folder"
  exec 8>"$folder.lock"
  flock 8
  [ ! -e "$folder/complete" ] || return 0
  say "fetching Apache Kafka, fixed in tools/kafka/pom.xml, into $folder"
  mvn -q -B -f "$tools/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$folder" >&2 || die "Maven could not fetch the jars"
  touch "$folder/complete"
}

java_tool() {
  java -Xmx256m -Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    "-Dlog4j2.configurationFile=$dir/log4j2-tools.properties" -cp "$(jars)/*" "$@"
}

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Five free ports, kept for the next start.
choose_ports() {
  local kind port chosen=()
  [ ! -s "$dir/ports" ] || return 0
  for kind in "${kinds[@]}"; do
    port=$((20000 + RANDOM % 12000))
    while is_open "$port" || [[ " ${chosen[*]-} " = *" $port "* ]]; do
      port=$((20000 + RANDOM % 12000))
    done
    chosen+=("$port")
    echo "$kind=127.0.0.1:$port"
  done >"$dir/ports.new"
  mv "$dir/ports.new" "$dir/ports"
}

address() { sed -n "s/^$1=//p" "$dir/ports"; }

# A CA of its own, and a certificate of it for 127.0.0.1 and localhost.
make_certificates() {
  [ ! -e "$dir/ca.pem" ] || return 0
  (
    cd "$dir"
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=Tillrace test CA" \
      -keyout ca.key -out ca.new
    openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout broker.key -out broker.csr
    openssl x509 -req -days 30 -in broker.csr -CA ca.new -CAkey ca.key -CAcreateserial \
      -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out broker.crt
    cat broker.key broker.crt ca.new >broker.pem
    mv ca.new ca.pem
  ) >"$dir/certificates.log" 2>&1 || { cat "$dir/certificates.log" >&2; die "no certificates"; }
}

log_settings() {
  cat <<END
status = error
appender.out.type = Console
appender.out.name = OUT
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = $1
rootLogger.appenderRef.out.ref = OUT
END
}

plain_login() {
  echo "org.apache.kafka.common.security.plain.PlainLoginModule required" \
    "user_$user=\"$password\";"
}
scram_login() { echo "org.apache.kafka.common.security.scram.ScramLoginModule required;"; }

server_settings() {
  local kind listener clients protocols
  clients="PLAIN://$(address plain),TLS://$(address tls)"
  clients="$clients,SASL://$(address sasl),SASLTLS://$(address sasl_tls)"
  protocols=PLAIN:PLAINTEXT,TLS:SSL,SASL:SASL_PLAINTEXT,SASLTLS:SASL_SSL,CONTROLLER:PLAINTEXT
  cat <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@$(address controller)
listeners=$clients,CONTROLLER://$(address controller)
advertised.listeners=$clients
listener.security.protocol.map=$protocols
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location=$dir/broker.pem
log.dirs=$dir/data
num.partitions=1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=2097152
END
  for listener in sasl sasltls; do
    echo "listener.name.$listener.plain.sasl.jaas.config=$(plain_login)"
    for kind in 256 512; do
      echo "listener.name.$listener.scram-sha-$kind.sasl.jaas.config=$(scram_login)"
    done
  done
  echo "${KAFKA_PROPERTIES:-}"
}

# The users of SCRAM are made with the data.
format_data() {
  local id
  [ ! -e "$dir/data/meta.properties" ] || return 0
  id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')
  java_tool kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" \
    --add-scram "SCRAM-SHA-256=[name=$user,password=$password]" \
    --add-scram "SCRAM-SHA-512=[name=$user,password=$password]" >"$dir/format.log" 2>&1 ||
    { cat "$dir/format.log" >&2; die "the data folder could not be made"; }
}

prepare() {
  command -v java >/dev/null || { say "Java is missing; run tools/install.sh test"; exit 3; }
  libs
  mkdir -p "$dir"
  touch "$dir/.made-by-kafka.sh"
  choose_ports
  make_certificates
  log_settings info >"$dir/log4j2.properties"
  log_settings warn >"$dir/log4j2-tools.properties"
  server_settings >"$dir/server.properties"
  format_data
}

# By the start time, a process that got the same number later is told apart.
started_at() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
running() {
  local pid at
  [ -s "$dir/pid" ] || return 1
  read -r pid at <"$dir/pid"
  [ -n "$at" ] && [ "$(started_at "$pid")" = "$at" ] && echo "$pid"
}

run() {
  prepare
  ! running >/dev/null || die "it runs already"
  echo "$$ $(started_at $$)" >"$dir/pid"
  exec java "-Xmx${KAFKA_HEAP:-512m}" -Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Djava.awt.headless=true "-Dlog4j2.configurationFile=$dir/log4j2.properties" \
    -cp "$(jars)/*" kafka.Kafka "$dir/server.properties" >"$dir/broker.log" 2>&1 </dev/null 8>&-
}

start() {
  local i child
  if running >/dev/null; then say "it runs already"; return; fi
  prepare
  rm -f "$dir/broker.log"
  setsid "$tools/kafka.sh" run "$dir" &
  child=$!
  for ((i = 0; i < wait_s * 10; i++)); do
    ! grep -qs 'Kafka Server started' "$dir/broker.log" || return 0
    kill -0 "$child" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$dir/broker.log" >&2 || true
  stop
  die "it did not start; see $dir/broker.log"
}

stop() {
  local pid i
  pid=$(running) || { rm -f "$dir/pid"; return 0; }
  kill "$pid"
  for ((i = 0; i < 200; i++)); do
    if ! running >/dev/null; then rm -f "$dir/pid"; return 0; fi
    sleep 0.1
  done
  kill -KILL "$pid"
  rm -f "$dir/pid"
}

topic() {
  local name=$1 partitions=${2:-1} setting settings=()
  for setting in "${@:3}"; do settings+=(--config "$setting"); done
  java_tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$(address plain)" --create \
    --topic "$name" --partitions "$partitions" --replication-factor 1 \
    ${settings[@]+"${settings[@]}"}
}

wipe() {
  [ -e "$dir/.made-by-kafka.sh" ] || die "$dir was not made by this script"
  stop
  rm -rf "$dir"
}

command=${1:-}
[ "$command" != libs ] || { libs; exit; }
[ $# -ge 2 ] || usage
dir=$(realpath -m "$2")
readonly dir
shift 2
case $command in
  start | run | stop | wipe) "$command" ;;
  ports) cat "$dir/ports" ;;
  topic) [ $# -ge 1 ] || usage; topic "$@" ;;
  tool) [ $# -ge 1 ] || usage; java_tool "${@//@BROKER@/$(address plain)}" ;;
  *) usage ;;
esac
