# Sourced by quickstart.sh and tests/run.sh: asks for what is missing and,
# where it may, installs it.

missing=
wished=

# need PACKAGE TEST...: the Debian package that is missing where TEST fails.
need() {
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}

# wish PACKAGE TEST...: the same for what can be done without.
wish() {
  package=$1
  shift
  "$@" >/dev/null 2>&1 || wished="$wished $package"
}

has_command() { command -v "$1"; }
has_header() { command -v c++ && printf '#include <%s>\n' "$1" | c++ -E -x c++ -; }

has_sanitizers() { echo 'int main() {}' | "$1" -fsanitize=address,undefined -x c++ - -o /dev/null; }

# What every build needs.
need_to_build() {
  need g++ has_command c++
  need meson has_command meson
  need ninja-build has_command ninja
  need pkg-config has_command pkg-config
  need libucx-dev pkg-config --exists 'ucx >= 1.13'
}

# And what training needs besides.
need_to_train() {
  need libdnnl-dev has_header oneapi/dnnl/dnnl.hpp
  need zlib1g-dev has_header zlib.h
}

# install_missing NAME: installs as root or through sudo, and says so; where it
# may not, it prints the line to run and fails if anything needed is missing.
install_missing() {
  [ -n "$missing$wished" ] || return 0
  packages=$(echo $missing $wished)
  as_root=
  if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    # Where a terminal is there, sudo may ask for the password.
    if ! command -v sudo >/dev/null || { ! sudo -n true 2>/dev/null && [ ! -t 0 ]; }; then as_root=no; fi
  fi
  if [ "$as_root" = no ] || ! command -v apt-get >/dev/null; then
    if [ -z "$missing" ]; then
      echo "$1: not here, done without:$wished"
      return 0
    fi
    echo "$1: missing, and this user may not install it:$missing" >&2
    echo "$1: run this as root, then run $1 again:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends $packages" >&2
    return 1
  fi
  echo "$1: installing $packages"
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  $as_root apt-get update -q >/dev/null &&
    $as_root apt-get install -y -q --no-install-recommends $packages >/dev/null && return 0
  echo "$1: could not install: $packages" >&2
  [ -z "$missing" ]
}
