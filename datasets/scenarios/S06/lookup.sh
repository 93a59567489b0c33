#!/bin/sh
# Looks a name up, and says nothing of the answer.
if command -v nslookup >/dev/null; then
    exec nslookup -timeout=1 -retry=1 -type=A "$1" 198.51.100.53 >/dev/null
fi
exec python3 -c '
import socket, sys
name = b"".join(bytes([len(label)]) + label.encode() for label in sys.argv[1].split("."))
query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + b"\x00\x00\x01\x00\x01"
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(1)
asking.sendto(query, ("198.51.100.53", 53))
asking.recv(512)
' "$1"
