// OpenAI's Node SDK against llm2api, used as its own documentation shows it.
//
//     node openai_node.mjs BASE_URL KEY KEPT_OUT_BASE_URL
//
// What the models answer is set up in tests/e2e/sdk.rs. At KEPT_OUT_BASE_URL every key is refused a right.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.LLM2API_TEST_TOOLS}/package.json`);
const OpenAI = require("openai").default;

const [baseURL, apiKey, keptOutBaseURL] = process.argv.slice(2);
const messages = [{ role: "user", content: "hi" }];
const tools = [
  { type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } },
];

/** A client, and how many requests it sent. */
function counted(options = {}) {
  const counter = { requests: 0 };
  counter.client = new OpenAI({
    baseURL,
    apiKey,
    fetch: (url, init) => {
      counter.requests += 1;
      return fetch(url, init);
    },
    ...options,
  });
  return counter;
}

/** Asks, and gives back the error, whose class must be exactly this. */
async function fails({ client }, kind, request) {
  try {
    await client.chat.completions.create({ messages, ...request });
  } catch (error) {
    assert.equal(error.constructor, kind, error);
    assert.ok(error.requestID, error);
    return error;
  }
  assert.fail(`${request.model} did not fail`);
}

const { client } = counted();

const checks = {
  async "a whole answer"() {
    const answer = await client.chat.completions.create({ model: "text", messages });
    assert.equal(answer.choices[0].message.content, "Hello, 世界");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.total_tokens, 13);
    assert.ok(answer._request_id);
  },

  async "a stream, with usage"() {
    const stream = await client.chat.completions.create({
      model: "text",
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    const totals = [];
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      if (chunk.usage) totals.push(chunk.usage.total_tokens);
    }
    assert.equal(text, "Hello, 世界");
    assert.deepEqual(totals, [13]);
  },

  async "two choices"() {
    const answer = await client.chat.completions.create({ model: "two", messages, n: 2 });
    assert.deepEqual(
      answer.choices.map((choice) => choice.message.content),
      ["one", "un deux"],
    );
  },

  async "tool calls"() {
    const expected = [
      ["call_a", "weather", '{"city":"Köln"}'],
      ["call_b", "time", '{"zone":"CET"}'],
    ];
    const calls = (answer) =>
      answer.choices[0].message.tool_calls.map((call) => [
        call.id,
        call.function.name,
        call.function.arguments,
      ]);
    const whole = await client.chat.completions.create({ model: "tools", messages, tools });
    assert.deepEqual(calls(whole), expected);
    const streamed = client.chat.completions.stream({ model: "tools", messages, tools });
    assert.deepEqual(calls(await streamed.finalChatCompletion()), expected);
  },

  async "models"() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    for (const id of ["text", "two", "tools"]) assert.ok(ids.includes(id), ids);
    assert.equal((await client.models.retrieve("text")).id, "text");
  },

  async "a client that stops reading"() {
    const stream = await client.chat.completions.create({ model: "endless", messages, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content) break;
    }
  },

  async "errors that are not tried again"() {
    const counter = counted();
    let error = await fails(counter, OpenAI.BadRequestError, { model: "fail-400" });
    assert.deepEqual(
      [error.code, error.param, error.type],
      ["out_of_range", "temperature", "invalid_request_error"],
    );
    error = await fails(counter, OpenAI.NotFoundError, { model: "no-such-model" });
    assert.equal(error.code, "model_not_found");
    error = await fails(counter, OpenAI.APIError, {
      model: "text",
      messages: [{ role: "user", content: "x".repeat(100_000) }],
    });
    assert.deepEqual([error.status, error.code], [413, "request_too_large"]);
    error = await fails(counter, OpenAI.RateLimitError, { model: "limited-for-long" });
    assert.equal(error.headers.get("x-should-retry"), "false");
    assert.equal(counter.requests, 4);

    const stranger = counted({ apiKey: "wrong" });
    error = await fails(stranger, OpenAI.AuthenticationError, { model: "text" });
    assert.equal(error.code, "invalid_api_key");
    assert.equal(stranger.requests, 1);

    const keptOut = counted({ baseURL: keptOutBaseURL });
    error = await fails(keptOut, OpenAI.PermissionDeniedError, { model: "text" });
    assert.equal(error.code, "insufficient_permissions");
    assert.equal(keptOut.requests, 1);
  },

  async "errors that are tried again"() {
    for (const [model, kind, status, code] of [
      ["limited", OpenAI.RateLimitError, 429, "rate_limit_exceeded"],
      ["fail-502", OpenAI.InternalServerError, 502, "upstream_error"],
      ["fail-503", OpenAI.InternalServerError, 503, "no_valid_key"],
      ["fail-504", OpenAI.InternalServerError, 504, "first_token_timeout"],
    ]) {
      const counter = counted({ maxRetries: 1 });
      const error = await fails(counter, kind, { model });
      assert.deepEqual([error.status, error.code], [status, code]);
      assert.equal(counter.requests, 2, model);
      if (status === 429) assert.ok(Number(error.headers.get("retry-after")) >= 1);
    }
  },

  async "sources of a web search"() {
    const { client: web } = counted({ baseURL: baseURL.replace("/v1", "/web/v1") });
    const sources = [
      ["[1] Größe 🙂 — https://a.example/", "Größe 🙂", "https://a.example/"],
      ["[2] Two — https://b.example/", "Two", "https://b.example/"],
      ["[2]", "Two", "https://b.example/"],
    ];
    // Places are counted in code points, and JavaScript's strings in something else.
    const cited = (content, annotations) =>
      annotations.map(({ url_citation: one }) => [
        [...content].slice(one.start_index, one.end_index).join(""),
        one.title,
        one.url,
      ]);

    const answer = await web.chat.completions.create({ model: "cites", messages });
    const { message } = answer.choices[0];
    assert.deepEqual(cited(message.content, message.annotations), sources);

    let content = "";
    const annotations = [];
    const stream = await web.chat.completions.create({ model: "cites", messages, stream: true });
    for await (const chunk of stream) {
      content += chunk.choices[0].delta.content ?? "";
      annotations.push(...(chunk.choices[0].delta.annotations ?? []));
    }
    assert.equal(content, message.content);
    assert.deepEqual(cited(content, annotations), sources);
    assert.equal((await web.models.retrieve("cites")).id, "cites");
  },

  async "an answer that breaks off"() {
    const stream = await client.chat.completions.create({ model: "cut", messages, stream: true });
    let text = "";
    await assert.rejects(
      async () => {
        for await (const chunk of stream) text += chunk.choices[0].delta.content ?? "";
      },
      (error) => error instanceof OpenAI.APIError && error.code === "upstream_error",
    );
    assert.equal(text, "Hel");
  },
};

for (const [name, check] of Object.entries(checks)) {
  console.log(name);
  await check();
}
console.log("all checks passed");
