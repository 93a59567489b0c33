# Compiles and links a program of several files.
# usage: compile.sh SOURCES
set -euo pipefail
place=$(mktemp -d "$PWD/compile-XXXXXX")
trap 'rm -rf "$place"' EXIT
cp "$1"/* "$place"
make --silent --directory "$place" program
