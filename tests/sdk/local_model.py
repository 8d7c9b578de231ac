"""OpenAI's Python SDK against the model inside llm2api.

    local_model.py BASE_URL MODEL

Each function that is named `check_…` is one check.
"""

import sys

import openai

BASE_URL, MODEL = sys.argv[1:]
QUESTION = {
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "temperature": 0,
}

client = openai.OpenAI(base_url=BASE_URL, api_key="none is needed")


def check_the_model_is_listed():
    models = [model.id for model in client.models.list()]
    assert models == [MODEL, "local"], models


def check_a_whole_answer():
    answer = client.chat.completions.create(model=MODEL, **QUESTION)
    assert "Paris" in answer.choices[0].message.content, answer
    assert answer.choices[0].finish_reason == "stop", answer
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens, answer


def check_a_stream():
    chunks = list(
        client.chat.completions.create(model="local", stream=True, stream_options={"include_usage": True}, **QUESTION)
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "Paris" in "".join(pieces), chunks
    assert len(pieces) > 5, chunks
    assert chunks[-2].choices[0].finish_reason == "stop", chunks
    assert chunks[-1].usage.completion_tokens > 0, chunks


def check_what_it_cannot_do_is_an_error_that_names_it():
    try:
        client.chat.completions.create(model="local", n=2, **QUESTION)
    except openai.BadRequestError as error:
        assert (error.param, error.code) == ("n", "unsupported_parameter"), error
    else:
        raise AssertionError("n=2 did not fail")


for name, check in list(globals().items()):
    if name.startswith("check_"):
        check()
print("all checks passed")
