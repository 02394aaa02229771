#!/bin/sh
# gcc's and clang's analysers over src/, file by file; asks for a build in the folder `build`. Prints what they find; the
# exit status is 1 if that is anything, 77 if neither gcc 12 nor clang-tidy 14 is there.
#
#   tools/analyse.sh [gcc|clang] [FILE...]
set -u
cd "$(dirname "$0")/.." || exit 1
case ${1:-} in
gcc | clang) which=$1 && shift ;;
*) which='gcc clang' ;;
esac
[ $# -gt 0 ] || set -- $(git ls-files 'src/*.c')
processes=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
status=77

# Not asked for: leaks of what is kept in arrays, which gcc 12 loses sight of and LeakSanitizer finds in every test;
# values that a function of another file sets; pointers that are not NULL by what another file promises.
with_gcc() {
    printf '%s\n' "$@" | xargs -P "$processes" -n 8 sh -c '
        bad=0
        for file; do
            gcc -std=c11 -fanalyzer -Werror -Wno-analyzer-malloc-leak -Wno-analyzer-use-of-uninitialized-value \
                -Wno-analyzer-null-dereference -D_XOPEN_SOURCE=700 -DCL_TARGET_OPENCL_VERSION=120 \
                "-DIV_VERSION=\"\"" -Isrc -Iinclude -Ibuild/src -include tools/analyzer.h \
                $(pkg-config --cflags clblast yaml-0.1 jansson zlib libpng libcurl libcrypto) \
                -c -o /dev/null "$file" || bad=1
        done
        exit $bad' sh
}

with_clang() {
    printf '%s\n' "$@" | xargs -P "$processes" -n 8 \
        clang-tidy --quiet -p build --extra-arg=-include --extra-arg="$PWD/tools/analyzer.h" 2>/dev/null
}

is_there() { # WHICH, in the version whose findings are known; others find other things
    case $1 in
    gcc) gcc -dumpversion 2>/dev/null | grep -q '^12' ;;
    clang) clang-tidy --version 2>/dev/null | grep -q 'version 14\.' ;;
    esac
}

for one in $which; do
    is_there "$one" || continue
    [ $status -eq 1 ] || status=0
    "with_$one" "$@" || status=1
done
exit $status
