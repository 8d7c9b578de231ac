from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:9999/v1", api_key="my-key")
stream = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Say hello in three languages."}],
    stream=True,
)
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()
