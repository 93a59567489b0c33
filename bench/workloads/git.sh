# Clones a repository and walks through its history.
# usage: git.sh REPOSITORY
set -euo pipefail
place=$(mktemp -d "$PWD/clone-XXXXXX")
trap 'rm -rf "$place"' EXIT
git clone --quiet --no-local "file://$1" "$place/app"
git -C "$place/app" log --stat --patch >/dev/null
git -C "$place/app" fsck --no-progress >/dev/null
