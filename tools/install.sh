#!/usr/bin/env bash
# Installs what Tillrace needs from the distribution's own packages, says what, and asks nothing.
# A second run only looks.
#
#   tools/install.sh build        what building and the demo need (the default)
#   tools/install.sh test         that, and what the tests need
#   tools/install.sh lint         that of build, and clang 16 and shellcheck: lint, format, fuzz
#   tools/install.sh bench        that of build, and the load generator of the benchmarks
#   tools/install.sh --versions   a table of the versions that are installed
#
# Made for Debian 12 and Ubuntu 24.04, whose release fixes each version; on others with apt it
# tries, and warns.
# Exit: 0 all is there, 2 usage, 3 it could not be installed.
set -euo pipefail

say() { echo "install: $*" >&2; }
die() { say "$@"; exit 3; }

# Debian's ID and VERSION_ID, as "debian 12".
distribution() {
  # shellcheck source=/dev/null
  (. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}") || echo unknown
}

# Debian 12 has two Boosts, and its default one is too old.
boost() {
  if [ "$(distribution)" = "debian 12" ]; then echo libboost1.81-dev; else echo libboost-dev; fi
}

packages_to_build() {
  echo g++ cmake ninja-build ccache mold pkg-config git ca-certificates
  boost
  echo libexpected-dev libfmt-dev libspdlog-dev prometheus-cpp-dev libhowardhinnant-date-dev
  echo libsimdjson-dev librocksdb-dev libpq-dev libcurl4-openssl-dev libssl-dev
  echo libcli11-dev libtomlplusplus-dev
  echo libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev
  echo postgresql postgresql-client tzdata curl jq python3
}
packages_to_test() { echo xz-utils procps; }
packages_to_lint() { echo clang-16 clang-tidy-16 clang-format-16 libclang-rt-16-dev shellcheck; }
packages_to_bench() { echo xz-utils wrk; }

packages_of() {
  packages_to_build
  case $1 in
    build) ;;
    test) packages_to_test ;;
    lint) packages_to_lint ;;
    bench) packages_to_bench ;;
    all) packages_to_test; packages_to_lint; packages_to_bench ;;
  esac
}

# Those of the named packages that are not installed, one a line.
missing() {
  local installed
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
    sed -n 's/^installed //p' | sort -u || true)
  comm -23 <(printf '%s\n' "$@" | sort -u) <(echo "$installed")
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# A mirror that hiccups is tried again; a package that does not exist fails three times and says so.
apt_with_retries() {
  local attempt log
  log=$(mktemp)
  for attempt in 1 2 3; do
    if apt "$@" >"$log" 2>&1; then rm -f "$log"; return 0; fi
    [ "$attempt" -lt 3 ] || break
    say "apt-get $1 failed, trying again in $((attempt * 5)) s"
    sleep $((attempt * 5))
  done
  tail -n 20 "$log" >&2
  rm -f "$log"
  return 1
}

require_apt() {
  if ! command -v apt-get || ! command -v dpkg-query; then
    die "no apt here. Install these (Debian's names) by other means: $*"
  fi >/dev/null
}

require_root() {
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    die "needs root, and there is no sudo. As root: apt-get install --no-install-recommends $*"
}

warn_of_other_systems() {
  case $(distribution) in
    "debian 12" | "ubuntu 24.04") ;;
    *) say "made for Debian 12 and Ubuntu 24.04; trying on $(distribution)" ;;
  esac
}

# Debian's server package makes and starts a cluster of its own when it is first installed. Tillrace
# runs a private one, so the package is told not to, for this one installation.
readonly no_cluster=/etc/postgresql-common/createcluster.d/tillrace-install.conf
install_without_cluster() {
  as_root mkdir -p "${no_cluster%/*}"
  echo "create_main_cluster = false" | as_root tee "$no_cluster" >/dev/null
  trap forget_no_cluster EXIT
  apt_with_retries install --yes --no-install-recommends "$@"
}

forget_no_cluster() {
  as_root rm -f "$no_cluster"
  as_root rmdir --ignore-fail-on-non-empty "${no_cluster%/*}"
}

install() {
  local wanted lacking
  read -r -d '' -a wanted < <(packages_of "$1") || true
  require_apt "${wanted[@]}"
  readarray -t lacking < <(missing "${wanted[@]}")
  [ ${#lacking[@]} -gt 0 ] || return 0
  warn_of_other_systems
  require_root "${lacking[@]}"
  say "installing with apt: ${lacking[*]}"
  apt_with_retries update || die "apt-get update failed; is there a network?"
  install_without_cluster "${lacking[@]}" || die "apt-get could not install: ${lacking[*]}"
  say "done; for the versions: tools/install.sh --versions"
}

versions() {
  local package version
  require_apt
  for package in $(packages_of all | tr ' ' '\n' | sort -u); do
    version=$(dpkg-query -W -f='${Version}' "$package" 2>/dev/null) || version="not installed"
    printf '%-28s %s\n' "$package" "${version:-not installed}"
  done
}

case ${1:-build} in
  build | test | lint | bench) install "${1:-build}" ;;
  --versions) versions ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" ;;
  *) say "no set '$1'; there are build, test, lint, bench"; exit 2 ;;
esac
