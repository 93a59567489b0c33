# Looks at every file below a directory that its user may look at.
# usage: find.sh DIRECTORY
set -euo pipefail
find "$1" -xdev \( -type d ! \( -readable -executable \) -prune \) -o -type f -size +4k -printf '' >/dev/null
