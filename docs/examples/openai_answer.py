from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:9999/v1", api_key="my-key")
completion = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Say hello in three languages."}],
)
print(completion.choices[0].message.content)
