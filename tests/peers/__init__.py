"""What the benchmark of the engine compares it with: the same weights in other runtimes.

`convert` makes their files once. Each of `llama_cpp`, `ctranslate2_int8` and `pytorch` measures one of
them in a process of its own: python -m peers.NAME VARIANT RUN.json THREADS SEED. `RUN.json` has the model,
the prompts as token ids and the counts; what is printed is one line of JSON, see `measure`.
"""
