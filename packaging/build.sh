#!/usr/bin/env bash
# Builds the packages on Debian 12.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# shellcheck source=packaging/dependencies.sh
. packaging/dependencies.sh

usage() {
  cat <<'TEXT'
Usage: packaging/build.sh deb|rpm [--output DIR] [--jobs N] [--help]

  deb           shift-supervisor_VERSION_ARCH.deb (and -dbgsym), checked with lintian
  rpm           shift-supervisor-VERSION.src.rpm, the product: build it with mock or rpmbuild --rebuild
                on Fedora or EL 9 with EPEL. Beside it, in layout-only/, a binary rpm built here: its
                libraries are Debian's, so it is for checks of its contents alone and runs nowhere else.
                Both checked with rpmlint.
  --output DIR  where the packages go (default: build-packages/output)
  --jobs N      compile with N processes (default: one per processor)

What is packaged is the working tree's files that git knows or would add. Needed packages are installed
first (as root, else with sudo for apt alone). Compiling happens in build-packages/, which later builds
use again if ccache is installed.
TEXT
}

kind=
output=$root/build-packages/output
jobs=$(nproc)
while [ $# -gt 0 ]; do
  case "$1" in
    deb | rpm) kind=$1 ;;
    --output) output=${2:?--output needs a folder}; shift ;;
    --output=*) output=${1#--output=} ;;
    --jobs) jobs=${2:?--jobs needs a number}; shift ;;
    --jobs=*) jobs=${1#--jobs=} ;;
    --help | -h) usage; exit 0 ;;
    *) echo "build.sh: unknown argument $1 (see --help)" >&2; exit 64 ;;
  esac
  shift
done
if [ -z "$kind" ]; then
  usage >&2
  exit 64
fi

mapfile -t packages < <(shift_build_packages; shift_packaging_packages)
shift_install_packages "${packages[@]}"

version=$(sed -n "s/^  version: '\([^']*\)'.*/\1/p" meson.build)
# One folder for all builds, of both kinds: paths are part of what ccache compares.
work=$root/build-packages/work
name=shift-supervisor-$version
mkdir -p "$output" "$work"
output=$(cd "$output" && pwd)
if command -v ccache >/dev/null; then
  export CXX=${CXX:-ccache g++}
  # debhelper builds with another HOME; the rest is what precompiled headers need.
  export CCACHE_DIR=${CCACHE_DIR:-$HOME/.cache/ccache}
  export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
fi

# The sources in FOLDER, without anything of a build.
export_sources() {
  rm -rf "$1"
  mkdir -p "$1"
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard |
      while IFS= read -r -d '' file; do
        [ ! -e "$file" ] || printf '%s\0' "$file"
      done | tar -c --null --files-from=- | tar -x -C "$1"
  else
    tar -c --exclude=./build* . | tar -x -C "$1"
  fi
}

build_deb() {
  local sources=$work/$name
  if [ "$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)" != "$version-1" ]; then
    echo "build.sh: packaging/debian/changelog is not of version $version" >&2
    exit 1
  fi
  export_sources "$sources"
  cp -a "$sources/packaging/debian" "$sources/debian"
  rm -f "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo
  (cd "$sources" && DEB_BUILD_OPTIONS="parallel=$jobs ${DEB_BUILD_OPTIONS:-}" \
    dpkg-buildpackage --build=binary --no-sign)
  # Overrides are in the package, each with its reason.
  lintian --fail-on=error,warning --display-info --tag-display-limit 0 "$work"/*.changes
  cp "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$output/"
}

build_rpm() {
  local top=$work/rpmbuild
  rm -rf "$top"
  mkdir -p "$top"/{SOURCES,SPECS,RPMS,SRPMS}
  export_sources "$work/$name"
  # The same bytes for the same sources.
  tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1700000000 \
    -cf - "$name" | gzip -n >"$top/SOURCES/$name.tar.gz"
  rm -rf "${work:?}/$name"
  cp packaging/systemd/sysusers.conf packaging/systemd/tmpfiles.conf "$top/SOURCES/"
  cp packaging/rpm/shift-supervisor.spec "$top/SPECS/"
  if ! grep -qx "Version: *$version" "$top/SPECS/shift-supervisor.spec"; then
    echo "build.sh: packaging/rpm/shift-supervisor.spec is not of version $version" >&2
    exit 1
  fi
  # Debian's rpm has no macros for systemd and meson; ours say what Fedora's do.
  local options=(--define "_topdir $top" --define "_builddir $work" --load packaging/rpm/macros.debian
    --define "_smp_build_ncpus $jobs")
  rpmbuild -bs "${options[@]}" "$top/SPECS/shift-supervisor.spec"
  # --nodeps: the names in BuildRequires are Fedora's.
  rpmbuild -bb --nodeps "${options[@]}" "$top/SPECS/shift-supervisor.spec"
  rpmlint --config packaging/rpm/rpmlint.toml "$top/SPECS" "$top/SRPMS" "$top/RPMS"
  mkdir -p "$output/layout-only"
  cp "$top"/SRPMS/*.rpm "$output/"
  cp "$top"/RPMS/*/*.rpm "$output/layout-only/"
}

"build_$kind"
echo
echo "in $output:"
(cd "$output" && find . -name '*.deb' -o -name '*.rpm' | sort)
