curl --no-buffer http://127.0.0.1:9999/v1/chat/completions \
    -H 'Content-Type: application/json' \
    -d '{
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Say hello in three languages."}],
        "stream": true
    }'
