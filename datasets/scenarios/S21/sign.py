"""Asks the key agent for a signature: SSH_AGENTC_SIGN_REQUEST."""

import os
import socket
import struct


def string(data):
    return struct.pack(">I", len(data)) + data


key = string(b"ssh-ed25519") + string(bytes(32))
request = bytes([13]) + string(key) + string(b"session to sign") + struct.pack(">I", 0)
agent = socket.socket(socket.AF_UNIX)
agent.settimeout(5)
agent.connect(f"/run/user/{os.getuid()}/keyring/ssh")
agent.sendall(string(request))
print(agent.recv(4096).hex())
