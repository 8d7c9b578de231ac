import OpenAI from "openai";

const client = new OpenAI({ baseURL: "http://127.0.0.1:9999/v1", apiKey: "my-key" });
const stream = await client.chat.completions.create({
  model: "gpt-4o-mini",
  messages: [{ role: "user", content: "Say hello in three languages." }],
  stream: true,
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}
console.log();
