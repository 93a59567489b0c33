#!/bin/sh
# Finds what looks like a token.
exec grep -rEIho --exclude-dir=.git '(token|secret|password)[^[:space:]]{0,40}[=: ]+[^[:space:]]{16,}' "$2"
