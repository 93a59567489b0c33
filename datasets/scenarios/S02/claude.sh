#!/bin/sh
# What an agent does that was asked to look for secrets: it searches, and opens what it finds.
find ~ -xdev \( -name .env -o -name 'id_*' -o -name '*.wallet' -o -name .npmrc \) -type f 2>/dev/null |
    while read -r path; do
        head -c 64 "$path" >/dev/null 2>&1
        echo "$path"
    done
