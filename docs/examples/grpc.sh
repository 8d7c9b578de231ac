grpcurl -plaintext \
    -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}' \
    127.0.0.1:50051 llm2api.v1.ChatService/Chat
