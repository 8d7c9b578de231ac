import json

import requests

response = requests.post(
    "http://127.0.0.1:9999/v1/chat/completions",
    headers={"Authorization": "Bearer my-key"},
    json={
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Say hello in three languages."}],
        "stream": True,
    },
    stream=True,
    timeout=600,
)
response.raise_for_status()
for line in response.iter_lines():
    if not line.startswith(b"data: "):
        continue  # blank lines between events, comments while a model thinks
    data = line.removeprefix(b"data: ")
    if data == b"[DONE]":
        break
    chunk = json.loads(data)
    if "error" in chunk:
        raise SystemExit(chunk["error"]["message"])
    for choice in chunk["choices"]:
        print(choice["delta"].get("content") or "", end="", flush=True)
print()
