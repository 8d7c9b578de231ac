"""Measures this engine and llama.cpp in turns, on the same model and threads; prints each round and the best of each.

    python compare.py MODEL.gguf THREADS ROUNDS MEASURE

needs PyPI's xllamacpp, which is llama.cpp, and measure.rs's program (`cargo build --release -p llm2api-local --example measure`).
Each round starts both anew, so that whatever else the machine does meets both.
"""

import json
import subprocess
import sys
import urllib.request

PROMPT = 512
ANSWER = 128
ROUNDS = 5


def llama_cpp(model, threads):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = 4096
    params.n_parallel = 4
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)

    def complete(prompt, count):
        body = {"prompt": prompt, "n_predict": count, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
        request = urllib.request.Request(
            server.listening_address + "/completion", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)["timings"]

    best = {"prefill": 0, "decode": 0}
    for index in range(ROUNDS):
        prompt = [(7 * token + index) % 40000 + 100 for token in range(PROMPT)]
        best["prefill"] = max(best["prefill"], complete(prompt, 1)["prompt_per_second"])
        best["decode"] = max(best["decode"], complete("Write a very long story.", ANSWER)["predicted_per_second"])
    return {"threads": threads, **{name: round(value, 1) for name, value in best.items()}}


def main():
    model, threads, rounds, measure = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    if measure == "llama.cpp":
        print(json.dumps(llama_cpp(model, int(threads))))
        return
    commands = {
        "ours": [measure, model, threads],
        "llama.cpp": [sys.executable, __file__, model, threads, "1", "llama.cpp"],
    }
    best = {}
    for _ in range(rounds):
        for name, command in commands.items():
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            result = json.loads(output.strip().splitlines()[-1])
            print(name, result, flush=True)
            known = best.setdefault(name, {})
            for key in ("prefill", "decode", "decode_four"):
                if key in result:
                    known[key] = max(known.get(key, 0), result[key])
    print(json.dumps(best))


main()
