"""OpenAI's Python SDK against llm2api, used as its own documentation shows it.

    openai_python.py BASE_URL KEY KEPT_OUT_BASE_URL

Each function that is named `check_…` is one check. What the models answer is set up in tests/e2e/sdk.rs. At KEPT_OUT_BASE_URL every
key is refused a right.
"""

import asyncio
import sys

import openai
from openai import AsyncOpenAI, OpenAI
from openai.types.chat.chat_completion_message import Annotation

BASE_URL, KEY, KEPT_OUT_BASE_URL = sys.argv[1:]
MESSAGES = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


class Counted:
    """A client, and how many requests it sent."""

    def __init__(self, key=KEY, base_url=BASE_URL, **options):
        self.requests = 0
        http_client = openai.DefaultHttpxClient(event_hooks={"request": [self.count]})
        self.client = OpenAI(base_url=base_url, api_key=key, http_client=http_client, **options)

    def count(self, _request):
        self.requests += 1

    def fails(self, model, kind, messages=MESSAGES, **options):
        """Asks, and gives back the error, whose class must be exactly this."""
        try:
            self.client.chat.completions.create(model=model, messages=messages, **options)
        except openai.APIStatusError as error:
            assert type(error) is kind, (type(error), error)
            assert error.request_id, error.response.headers
            return error
        raise AssertionError(f"{model} did not fail")


client = Counted().client


def check_a_whole_answer():
    answer = client.chat.completions.create(model="text", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello, 世界", answer
    assert answer.choices[0].finish_reason == "stop", answer
    assert answer.usage.total_tokens == 13, answer
    assert answer._request_id, answer


def check_a_stream():
    stream = client.chat.completions.create(model="text", messages=MESSAGES, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello, 世界", chunks
    assert chunks[0].choices[0].delta.role == "assistant", chunks
    assert chunks[-1].choices[0].finish_reason == "stop", chunks
    assert all(chunk.usage is None for chunk in chunks), chunks


def check_usage_of_a_stream():
    options = {"include_usage": True}
    stream = client.chat.completions.create(model="text", messages=MESSAGES, stream=True, stream_options=options)
    chunks = list(stream)
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [13], chunks
    assert chunks[-1].choices == [], chunks


def check_two_choices():
    answer = client.chat.completions.create(model="two", messages=MESSAGES, n=2)
    assert [choice.message.content for choice in answer.choices] == ["one", "un deux"], answer
    with client.chat.completions.stream(model="two", messages=MESSAGES, n=2) as stream:
        stream.until_done()
        choices = stream.get_final_completion().choices
    assert [choice.message.content for choice in choices] == ["one", "un deux"], choices


def check_tool_calls():
    expected = [("call_a", "weather", '{"city":"Köln"}'), ("call_b", "time", '{"zone":"CET"}')]

    def calls(answer):
        calls = answer.choices[0].message.tool_calls
        return [(call.id, call.function.name, call.function.arguments) for call in calls]

    answer = client.chat.completions.create(model="tools", messages=MESSAGES, tools=TOOLS)
    assert answer.choices[0].finish_reason == "tool_calls", answer
    assert answer.choices[0].message.content is None, answer
    assert calls(answer) == expected, answer
    with client.chat.completions.stream(model="tools", messages=MESSAGES, tools=TOOLS) as stream:
        stream.until_done()
        answer = stream.get_final_completion()
    assert calls(answer) == expected, answer


def check_models():
    models = {model.id: model for model in client.models.list()}
    assert {"text", "two", "tools"} <= models.keys(), models
    assert client.models.retrieve("text").owned_by == models["text"].owned_by


def check_an_asynchronous_client():
    async def ask():
        async with AsyncOpenAI(base_url=BASE_URL, api_key=KEY) as client:
            stream = await client.chat.completions.create(model="text", messages=MESSAGES, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(ask()) == "Hello, 世界"


def check_a_client_that_stops_reading():
    stream = client.chat.completions.create(model="endless", messages=MESSAGES, stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()


def check_errors_that_are_not_tried_again():
    counted = Counted()
    error = counted.fails("fail-400", openai.BadRequestError)
    assert (error.code, error.param, error.type) == ("out_of_range", "temperature", "invalid_request_error"), error
    error = counted.fails("no-such-model", openai.NotFoundError)
    assert error.code == "model_not_found", error
    error = counted.fails("text", openai.APIStatusError, messages=[{"role": "user", "content": "x" * 100_000}])
    assert (error.status_code, error.code) == (413, "request_too_large"), error
    error = counted.fails("text", openai.BadRequestError, n=0)
    assert (error.code, error.param) == ("invalid_value", "n"), error
    error = counted.fails("limited-for-long", openai.RateLimitError)
    assert error.response.headers["x-should-retry"] == "false", error.response.headers
    assert counted.requests == 5, counted.requests

    stranger = Counted(key="wrong")
    error = stranger.fails("text", openai.AuthenticationError)
    assert error.code == "invalid_api_key", error
    assert stranger.requests == 1, stranger.requests

    kept_out = Counted(base_url=KEPT_OUT_BASE_URL)
    error = kept_out.fails("text", openai.PermissionDeniedError)
    assert error.code == "insufficient_permissions", error
    assert kept_out.requests == 1, kept_out.requests


def check_errors_that_are_tried_again():
    for model, kind, status, code in [
        ("limited", openai.RateLimitError, 429, "rate_limit_exceeded"),
        ("fail-502", openai.InternalServerError, 502, "upstream_error"),
        ("fail-503", openai.InternalServerError, 503, "no_valid_key"),
        ("fail-504", openai.InternalServerError, 504, "first_token_timeout"),
    ]:
        counted = Counted(max_retries=1)
        error = counted.fails(model, kind)
        assert (error.status_code, error.code) == (status, code), error
        assert counted.requests == 2, (model, counted.requests)
        if status == 429:
            assert 1 <= int(error.response.headers["retry-after"]) <= 30, error.response.headers


def check_an_answer_that_breaks_off():
    stream = client.chat.completions.create(model="cut", messages=MESSAGES, stream=True)
    text = ""
    try:
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    except openai.APIError as error:
        assert type(error) is openai.APIError, type(error)
        assert error.code == "upstream_error", error
        assert text == "Hel", text
        return
    raise AssertionError("the answer looked complete")


WEB = Counted(base_url=BASE_URL.replace("/v1", "/web/v1")).client
CITED = [
    ("[1] Größe 🙂 — https://a.example/", "Größe 🙂", "https://a.example/"),
    ("[2] Two — https://b.example/", "Two", "https://b.example/"),
    ("[2]", "Two", "https://b.example/"),
]


def cited(content, annotations):
    """What the annotations cite, each with its place in the text."""
    return [(content[one.start_index : one.end_index], one.title, one.url) for one in annotations]


def check_sources_of_a_whole_answer():
    for client_, options in [(WEB, {}), (client, {"web_search_options": {"search_context_size": "low"}})]:
        answer = client_.chat.completions.create(model="cites", messages=MESSAGES, **options)
        message = answer.choices[0].message
        assert all(isinstance(one, Annotation) for one in message.annotations), message
        assert all(one.type == "url_citation" for one in message.annotations), message
        assert cited(message.content, [one.url_citation for one in message.annotations]) == CITED, message
        assert message.content.endswith("</search>\n\n世界 [2]."), message
        assert answer.model_extra["citations"] == ["https://a.example/", "https://b.example/"], answer


def check_sources_of_a_stream():
    content, annotations, citations = "", [], None
    for chunk in WEB.chat.completions.create(model="cites", messages=MESSAGES, stream=True):
        delta = chunk.choices[0].delta
        content += delta.content or ""
        annotations += (delta.model_extra or {}).get("annotations", [])
        citations = (chunk.model_extra or {}).get("citations", citations)
    annotations = [Annotation.model_validate(one).url_citation for one in annotations]
    assert cited(content, annotations) == CITED, (content, annotations)
    assert citations == ["https://a.example/", "https://b.example/"], citations


def check_models_of_web_search():
    assert "cites" in [model.id for model in WEB.models.list()]
    assert WEB.models.retrieve("cites").id == "cites"


for name, check in list(globals().items()):
    if name.startswith("check_"):
        print(name, flush=True)
        check()
print("all checks passed")
