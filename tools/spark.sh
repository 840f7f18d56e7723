#!/usr/bin/env bash
# Apache Spark with Delta Lake's own implementation, in one process on this machine, for tests.
#
#   tools/spark.sh sql DIR       runs the SQL statements of standard input, one a line, and prints a
#                                line of JSON for each (tools/spark/Sql.scala); DIR takes its files
#   tools/spark.sh libs          only fetches the jars, which tools/spark/pom.xml fixes
#
# Environment: SPARK_HEAP (default 1g).
# Exit: 0 done, 1 it did not work, 2 usage, 3 Java or Maven is missing.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly tools

say() { echo "spark: $*" >&2; }
die() { say "$@"; exit 1; }
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

digest() { sha256sum <"$1" | cut -c 1-12; }

jars() {
  echo "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tillrace/spark-$(digest "$tools/spark/pom.xml")"
}
program() { echo "$(jars)/sql-$(digest "$tools/spark/Sql.scala")"; }

libs() {
  local folder program
  folder=$(jars)
  program=$(program)
  [ ! -e "$program/complete" ] || return 0
  mkdir -p "$folder"
  exec 8>"$folder.lock"
  flock 8
  [ -e "$folder/complete" ] || fetch "$folder"
  [ -e "$program/complete" ] || compile "$folder" "$program"
  exec 8>&-
}

fetch() {
  command -v mvn >/dev/null || { say "Maven is missing; run tools/install.sh test"; exit 3; }
  say "fetching Apache Spark and Delta Lake, fixed in tools/spark/pom.xml, into $1"
  mvn -q -B -f "$tools/spark/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$1" >&2 || die "Maven could not fetch the jars"
  touch "$1/complete"
}

compile() {
  mkdir -p "$2"
  java -cp "$1/*" scala.tools.nsc.Main -usejavacp -nowarn -d "$2" "$tools/spark/Sql.scala" >&2 ||
    die "tools/spark/Sql.scala does not compile"
  touch "$2/complete"
}

# What Spark needs of Java's inside (its JavaModuleOptions).
java_options() {
  local package
  for package in java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util \
    java.util.concurrent java.util.concurrent.atomic sun.nio.ch sun.nio.cs sun.security.action \
    sun.util.calendar; do
    echo "--add-opens=java.base/$package=ALL-UNNAMED"
  done
  printf '%s\n' "-Xmx${SPARK_HEAP:-1g}" -Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1
}

sql() {
  local options
  mkdir -p "$1"
  cat >"$1/log4j2.properties" <<'END'
rootLogger.level = error
rootLogger.appenderRef.err.ref = ERR
appender.err.type = Console
appender.err.name = ERR
appender.err.target = SYSTEM_ERR
appender.err.layout.type = PatternLayout
appender.err.layout.pattern = %p %c: %m%n
END
  readarray -t options < <(java_options)
  cd "$1"
  exec java "${options[@]}" "-Dlog4j2.configurationFile=$1/log4j2.properties" \
    "-Djava.io.tmpdir=$1" -cp "$(program):$(jars)/*" Sql "$1/warehouse"
}

command=${1:-}
command -v java >/dev/null || { say "Java is missing; run tools/install.sh test"; exit 3; }
case $command in
  libs) libs ;;
  sql)
    [ $# = 2 ] || usage
    libs
    sql "$(realpath -m "$2")"
    ;;
  *) usage ;;
esac
