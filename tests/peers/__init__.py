"""Other runtimes with the same weights, for the benchmark of the engine.

`convert` makes their files once. Each of `llama_cpp`, `ctranslate2_int8` and `pytorch` measures one of
them in a process of its own: python -m peers.NAME VARIANT RUN.json THREADS SEED. `RUN.json` has the model,
the prompts as token ids and the counts; what is printed is one line of JSON, see `measure`.
"""
