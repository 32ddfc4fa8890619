# shellcheck shell=bash
# The Debian packages that building, testing and running need: the one list, sourced by tests/run.sh
# and packaging/quickstart.sh. Nothing here starts a service: the database server comes from
# mariadb-server-core (mariadbd, mariadb-install-db, resolveip and the bootstrap SQL) and
# mariadb-client-core (mariadb, my_print_defaults), never from mariadb-server.

shift_build_packages() {
  printf '%s\n' \
    g++ meson ninja-build pkg-config \
    libuv1-dev libcurl4-openssl-dev libssl-dev libsimdjson-dev libsqlite3-dev libyaml-cpp-dev \
    default-libmysqlclient-dev libfmt-dev nlohmann-json3-dev libcpp-httplib-dev libcli11-dev
}

# What the programs need at run time besides the libraries, and what people look at them with.
shift_runtime_packages() {
  printf '%s\n' percona-toolkit mariadb-server-core mariadb-client-core sqlite3
}

shift_test_packages() {
  printf '%s\n' libgtest-dev libgmock-dev python3 python3-jsonschema git util-linux shellcheck tmux \
    libfaketime mandoc logrotate rpm systemd
}

# What packaging/build.sh and packaging/tests/run.sh work with.
shift_packaging_packages() {
  printf '%s\n' build-essential debhelper lintian fakeroot binutils git mandoc rpm rpmlint systemd
}

shift_package_test_packages() {
  printf '%s\n' debootstrap mandoc logrotate binutils rpm rpm2cpio cpio systemd systemd-container procps
}

# Prints those of the given packages that are not installed.
shift_missing_packages() {
  local package state
  for package in "$@"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [ "$state" != installed ]; then
      printf '%s\n' "$package"
    fi
  done
}

# Installs what is missing of the given packages; does not touch apt when nothing is, so it works
# without a network. As root, else with sudo (for apt only).
shift_install_packages() {
  local missing=() as_root=()
  mapfile -t missing < <(shift_missing_packages "$@")
  if [ "${#missing[@]}" -eq 0 ]; then
    return 0
  fi
  if ! command -v apt-get >/dev/null; then
    echo "these Debian packages are needed, and there is no apt-get: ${missing[*]}" >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "these packages are needed; install them as root: apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "installing: ${missing[*]}"
  "${as_root[@]}" apt-get update -q >/dev/null ||
    echo "apt-get update failed; trying with the package lists that are here" >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
}
