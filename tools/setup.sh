# Shared by ./quickstart and ./check (sourced, POSIX shell): find what the build needs, install what is
# missing, configure and build. What is present is found by using it (a command, a header, pkg-config),
# not by package names, so libraries from anywhere count and a second run asks no package manager.
# shellcheck shell=sh disable=SC2034

minimum_meson=1.0.0
scratch=.cache # ignored by git; next to the sources so that nothing is left elsewhere

say() {
    printf '%s\n' "$*"
}

# Homebrew keeps headers where Apple's compiler does not look, and a few libraries out of pkg-config's
# sight. meson remembers CC with its options, so later builds by hand find them too.
setup_homebrew() {
    [ "$(uname -s)" = Darwin ] && command -v brew >/dev/null 2>&1 || return 0
    prefix=$(brew --prefix)
    for formula in openssl@3 zlib curl lapack libpng; do
        if [ -d "$prefix/opt/$formula/lib/pkgconfig" ]; then
            PKG_CONFIG_PATH="$prefix/opt/$formula/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
        fi
    done
    export PKG_CONFIG_PATH
    case "${CC:-}" in
    *"-I$prefix/include"*) ;;
    *) CC="${CC:-cc} -I$prefix/include" && export CC ;;
    esac
}

# ---------------------------------------------------------------- what is there

# The dependencies, one a line: how to recognise it; what it is for; its package for apt, dnf, pacman
# and brew ("-" where there is none; the reason is in why_not); when it is needed: build, check or full (./check --full).
# With "-extra" behind it, its absence is told and tolerated.
dependencies() {
    case $(uname -s) in
    Darwin) ;; # has OpenCL
    *) cat <<'TABLE' ;;
pkg:OpenCL|OpenCL loader|ocl-icd-opencl-dev|pkgconfig(OpenCL)|ocl-icd|-|build
header:CL/cl.h|OpenCL headers|opencl-headers|opencl-headers|opencl-headers|-|build
command:clinfo|listing OpenCL devices|clinfo|clinfo|clinfo|-|build
device|an OpenCL device: PoCL runs kernels on the CPU|pocl-opencl-icd|pocl|pocl|-|build
certificates|downloading data sets|ca-certificates|ca-certificates|ca-certificates|-|build-extra
TABLE
    esac
    cat <<'TABLE'
compiler|C compiler|gcc libc6-dev|gcc|gcc|-|build
meson|build system|meson|meson|meson|meson|build
command:ninja|build system|ninja-build|ninja-build|ninja|ninja|build
command:pkg-config|finding libraries|pkg-config|pkgconf-pkg-config|pkgconf|pkgconf|build
command:python3|build scripts|python3|python3|python|python@3|build
pkg:clblast|matrix products on GPUs|libclblast-dev|clblast-devel|clblast|clblast|build
pkg:yaml-0.1|reading specs|libyaml-dev|libyaml-devel|libyaml|libyaml|build
pkg:jansson|reading and writing JSON|libjansson-dev|jansson-devel|jansson|jansson|build
header:Random123/philox.h|random numbers|librandom123-dev|Random123-devel|-|random123|build
pkg:zlib|compressed data sets|zlib1g-dev|zlib-devel|zlib|zlib|build
pkg:libpng|figures|libpng-dev|libpng-devel|libpng|libpng|build
pkg:libcurl|downloading data sets|libcurl4-openssl-dev|libcurl-devel|curl|curl|build
pkg:libcrypto|checksums|libssl-dev|openssl-devel|openssl|openssl@3|build
pkg:libprotobuf-c|reading ONNX files|libprotobuf-c-dev|protobuf-c-devel|protobuf-c|protobuf-c|build-extra
command:protoc-c|reading ONNX files|protobuf-c-compiler|protobuf-c-compiler|protobuf-c|protobuf-c|build-extra
onnx.proto|reading ONNX files|libonnx-dev|onnx-devel|-|onnx|build-extra
command:gnuplot|figures|gnuplot-nox|gnuplot|gnuplot|gnuplot|build
pkg:cmocka|tests|libcmocka-dev|libcmocka-devel|cmocka|cmocka|check
pkg:lapacke|tests' oracle|liblapacke-dev|lapack-devel|lapacke|lapack|check
command:git|list of files to check|git|git|git|git|check
command:clang-format|checking the formatting|clang-format|clang-tools-extra|clang|clang-format|check-extra
command:clang|compiling kernels as strict OpenCL C 1.2|clang|clang|clang|-|check-extra
command:oclgrind|checking kernels' memory accesses|oclgrind|-|-|-|check-extra
numpy|tests' oracle of array files|python3-numpy|python3-numpy|python-numpy|numpy|check-extra
command:cppcheck|analysing C|cppcheck|cppcheck|cppcheck|cppcheck|full-extra
command:clang-tidy|analysing C|clang-tidy|clang-tools-extra|clang|-|full-extra
images|tests on a published data set|dataset-fashion-mnist|-|-|-|check-extra
TABLE
}

why_not() { # RECOGNISER MANAGER: why there is no package, and what to do
    case $1:$2 in
    compiler:brew)
        say "install Apple's command line tools: xcode-select --install" ;;
    header:Random123/philox.h:pacman)
        say "not in Arch's repositories; install 'random123' from the AUR, for example: yay -S random123" ;;
    command:oclgrind:*)
        say "packaged for Debian and Ubuntu only; sources: https://github.com/jrprice/Oclgrind" ;;
    onnx.proto:*)
        say "not packaged here; put onnx.proto of https://github.com/onnx/onnx in a folder, and build with -Donnx_proto=FOLDER" ;;
    images:*)
        say "packaged for Debian and Ubuntu only; or: invar data fetch fashion-mnist, and set INVAR_DATA_DIR" ;;
    *)
        say "no package known for this system" ;;
    esac
}

version_at_least() { # VERSION MINIMUM
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

find_meson() { # set $meson to a meson that is new enough
    for meson in meson "$PWD/$scratch/meson/bin/meson"; do
        version=$("$meson" --version 2>/dev/null) || continue
        version_at_least "$version" "$minimum_meson" && return 0
    done
    meson=
    return 1
}

# Where meson.build looks for it.
find_onnx_proto() {
    for folder in /usr/include /usr/local/include /opt/homebrew/include; do
        [ -f "$folder/onnx/onnx.proto" ] && return 0
    done
    return 1
}

have_device() {
    command -v clinfo >/dev/null 2>&1 && clinfo -l 2>/dev/null | grep -q 'Device #'
}

have() { # RECOGNISER
    case $1 in
    compiler) say 'int main(void) { return 0; }' | ${CC:-cc} -x c -o /dev/null - >/dev/null 2>&1 ;;
    command:*) command -v "${1#*:}" >/dev/null 2>&1 ;;
    pkg:*) pkg-config --exists "${1#*:}" >/dev/null 2>&1 ;;
    header:*) say "#include <${1#*:}>" | ${CC:-cc} -x c -E - >/dev/null 2>&1 ;;
    meson) find_meson ;;
    onnx.proto) find_onnx_proto ;;
    device) have_device ;;
    numpy) python3 -c 'import numpy' >/dev/null 2>&1 || /usr/bin/python3 -c 'import numpy' >/dev/null 2>&1 ;;
    images) [ -n "${INVAR_DATA_DIR:-}" ] || [ -e /usr/share/datasets/fashion-mnist ] ;;
    certificates)
        [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/ssl/cert.pem ] ||
            [ -e /etc/pki/tls/certs/ca-bundle.crt ] ||
            [ -e /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem ] ;;
    esac
}

# ---------------------------------------------------------------- installing

find_manager() {
    for manager in apt-get dnf pacman brew; do
        command -v "$manager" >/dev/null 2>&1 && return 0
    done
    manager=
    return 1
}

# Homebrew installs as the user. Without a terminal nobody could answer sudo's question for a password,
# the only one there can be, so that counts as "no".
may_install() {
    [ "$manager" = brew ] || [ "$(id -u)" -eq 0 ] || sudo -n true >/dev/null 2>&1 ||
        { command -v sudo >/dev/null 2>&1 && [ -t 0 ]; }
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

manager_update() {
    case $manager in
    # A broken third-party source must not stop us: what matters is whether the packages install.
    apt-get) as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q || true ;;
    # Arch supports no partial upgrades; the install below names packages only, with the lists as they are.
    *) ;;
    esac
}

manager_install() { # PACKAGE...
    case $manager in
    apt-get)
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
            -o Dpkg::Options::=--force-confold "$@" ;;
    dnf) as_root dnf install -y "$@" ;;
    pacman) as_root pacman -S --needed --noconfirm "$@" ;;
    brew) HOMEBREW_NO_AUTO_UPDATE=1 HOMEBREW_NO_ENV_HINTS=1 NONINTERACTIVE=1 brew install "$@" ;;
    esac
}

package_of() { # TABLE-LINE: the package for $manager
    case $manager in
    apt-get) field=3 ;;
    dnf) field=4 ;;
    pacman) field=5 ;;
    *) field=6 ;;
    esac
    say "$1" | cut -d'|' -f"$field"
}

# Print the lines of the table that are needed for $1 (build, check or full) and not there.
missing() {
    dependencies | while IFS= read -r line; do
        case $1:${line##*|} in
        build:check* | build:full* | check:full*) continue ;;
        esac
        have "${line%%|*}" || say "$line"
    done
}

# Some long-lived distributions carry a meson that is too old; it is a pure Python program, so a private
# copy in the sources' own scratch folder does.
install_private_meson() {
    find_meson && return 0
    have command:python3 || return 1
    say "no meson $minimum_meson or newer: installing a private copy in $scratch/meson"
    [ "$manager" != apt-get ] || ! may_install || manager_install python3-venv >>"$install_log" 2>&1
    python3 -m venv "$scratch/meson" >>"$install_log" 2>&1 &&
        "$scratch/meson/bin/pip" install -q "meson>=$minimum_meson" >>"$install_log" 2>&1
    find_meson
}

# Install what `purpose` (build, check or full) lacks. Fails with one line for each thing that could not be had.
install_missing() { # PURPOSE
    lacking=$(missing "$1")
    [ -n "$lacking" ] || return 0
    mkdir -p "$scratch"
    install_log=$scratch/install.log
    : >"$install_log"
    if find_manager; then
        packages=$(say "$lacking" | while IFS= read -r line; do package_of "$line"; done |
            grep -v '^-$' | tr '\n' ' ')
        if [ -n "$packages" ] && ! may_install; then
            say "this needs root and there is no sudo that works without asking; as root: \
$manager $([ "$manager" = pacman ] && say -S || say install) $packages" | tee "$install_log" >&2
        elif [ -n "$packages" ]; then
            say "installing with $manager: $packages"
            manager_update >>"$install_log" 2>&1
            # shellcheck disable=SC2086
            if ! manager_install $packages >>"$install_log" 2>&1; then
                # One bad name fails the whole list; one by one shows which, and gets the others.
                for package in $packages; do
                    manager_install "$package" >>"$install_log" 2>&1 || true
                done
            fi
        fi
    fi
    install_private_meson || true
    report_missing "$1"
}

report_missing() { # PURPOSE: complain about what is still missing; fail if it is required
    lacking=$(missing "$1")
    [ -n "$lacking" ] || return 0
    required=0
    while IFS='|' read -r recogniser purpose rest; do
        line="$recogniser|$purpose|$rest"
        package=-
        [ -z "$manager" ] || package=$(package_of "$line")
        if [ -z "$manager" ]; then
            reason="no apt-get, dnf, pacman or brew here; on Debian it is $(say "$line" | cut -d'|' -f3)"
        elif [ "$package" = - ]; then
            reason=$(why_not "$recogniser" "$manager")
        else
            reason="$manager could not install '$package': $(install_reason "$package")"
        fi
        case ${line##*|} in
        *-extra) say "not available: ${recogniser#*:} ($purpose): $reason" ;;
        *)
            required=1
            say "missing: ${recogniser#*:} ($purpose): $reason" >&2 ;;
        esac
    done <<LIST
$lacking
LIST
    [ "$required" -eq 0 ]
}

install_reason() { # PACKAGE: what the package manager said about it
    if grep -q '^this needs root' "$install_log"; then
        say 'needs root'
        return
    fi
    said=$(grep -F "${1%% *}" "$install_log" | grep -iE '^E:|error|unable|no match|not found' | tail -n 1)
    [ -n "$said" ] || said=$(grep -iE '^E:|error|password' "$install_log" | tail -n 1)
    say "${said:-installed, but still not found} (log: $install_log)"
}

# ---------------------------------------------------------------- building

configure() { # FOLDER MESON-OPTION...
    folder=$1
    shift
    log=$scratch/configure-$folder.log
    mkdir -p "$scratch"
    if [ -f "$folder/build.ninja" ]; then
        "$meson" configure "$folder" "$@" >"$log" 2>&1
    else
        "$meson" setup "$folder" "$@" >"$log" 2>&1
    fi || {
        tail -n 25 "$log" >&2
        say "could not configure $folder (log: $log)" >&2
        return 1
    }
}

compile() { # FOLDER [TARGET...]
    folder=$1
    shift
    log=$scratch/compile-$folder.log
    ninja -C "$folder" "$@" >"$log" 2>&1 || {
        grep -A 12 -E '^FAILED|error:' "$log" | head -n 60 >&2
        say "could not build $folder (log: $log)" >&2
        return 1
    }
}
