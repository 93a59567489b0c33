# Looks at every file below a directory.
# usage: find.sh DIRECTORY
set -euo pipefail
find "$1" -xdev -type f -size +4k -printf '' >/dev/null
