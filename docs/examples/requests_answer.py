import requests

response = requests.post(
    "http://127.0.0.1:9999/v1/chat/completions",
    headers={"Authorization": "Bearer my-key"},
    json={
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Say hello in three languages."}],
    },
    timeout=600,
)
print(response.json())
