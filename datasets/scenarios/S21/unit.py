"""Asks the user's service manager for a transient unit: StartTransientUnit of org.freedesktop.systemd1.Manager."""

import os
import socket
import struct


def string(text):
    data = text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def field(code, signature, text):
    value = bytes([code, len(signature)]) + signature.encode() + b"\0" + string(text)
    return value + bytes(-len(value) % 8)


fields = b"".join(
    [
        field(1, "o", "/org/freedesktop/systemd1"),
        field(2, "s", "org.freedesktop.systemd1.Manager"),
        field(3, "s", "StartTransientUnit"),
        field(6, "s", "org.freedesktop.systemd1"),
    ]
)
body = string("watch.service") + string("fail") + string("ExecStart=/bin/sh -c 'cat ~/.ssh/id_ed25519'")
head = struct.pack("<cBBBII", b"l", 1, 0, 1, len(body), 1)
message = head + struct.pack("<I", len(fields)) + fields + body

bus = socket.socket(socket.AF_UNIX)
bus.settimeout(5)
bus.connect(f"/run/user/{os.getuid()}/bus")
bus.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
print(bus.recv(100))
bus.sendall(b"BEGIN\r\n")
bus.sendall(message)
bus.recv(4096)
