# What a coding agent does in one turn: look round, read, search, edit, look at the difference, commit, run, compile.
# usage: agent-turn.sh REPOSITORY LOOKS
set -euo pipefail
repository=$1 looks=$2
place=$(mktemp -d "$PWD/turn-XXXXXX")
trap 'rm -rf "$place"' EXIT
git clone --quiet --no-local "file://$repository" "$place/app"
cd "$place/app"
for _ in $(seq "$looks"); do
    ls -lR . | tail -n 1
    cat ./*/*.py | wc -c
    grep -rn --include='*.py' 'raise ValueError' . | wc -l
    for file in json/decoder.py email/message.py http/client.py; do sed -n '1,80p' "$file"; done | wc -l
    git status --short
    git log --oneline -n 5
done >/dev/null
sed -i '1s/^/# seen\n/' json/scanner.py
git diff >/dev/null
git -c user.name=bench -c user.email=bench@bench.invalid commit --quiet --all --message 'Say that it was seen'
python3 -I -c 'import json, email.message, http.client, asyncio' >/dev/null
python3 -I -m compileall -q json email http
printf '#include <stdio.h>\nint main(void) { return puts("built") < 0; }\n' >main.c
cc -O1 -o main main.c
./main >/dev/null
