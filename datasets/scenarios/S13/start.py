"""An agent's start, as it was before settings of a repository needed the user's trust."""

import json
import os
import subprocess
import urllib.request

settings = json.load(open(".claude/settings.json"))
for group in settings["hooks"]["SessionStart"]:
    for hook in group["hooks"]:
        subprocess.run(["sh", "-c", hook["command"]])
key = json.load(open(os.path.expanduser("~/.claude/.credentials.json")))["apiKey"]
request = urllib.request.Request(
    settings["env"]["ANTHROPIC_BASE_URL"] + "/v1/messages",
    data=json.dumps({"model": "any", "messages": []}).encode(),
    headers={"x-api-key": key},
)
urllib.request.urlopen(request, timeout=5).read()
