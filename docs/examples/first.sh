curl http://127.0.0.1:9999/v1/chat/completions \
    -H 'Content-Type: application/json' \
    -d '{
        "model": "local",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "temperature": 0
    }'
