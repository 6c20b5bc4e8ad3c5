"""Measures a way to continue prompts and prints what was found as one line of JSON.

| field | |
|---|---|
| `load_ms` | from the start of the process until the model can be asked, to 10 ms |
| `prefill_ms` | by the length of the prompt: from the call to the first new id |
| `decode_tokens_per_second` | by the number of new ids: those after the first, greedy |
| `request_ms` | a request as of a user, by the prompt: sampled with temperature and top-k |
| `greedy_ids` | the ids of the first decoding, to compare runtimes by |
| `peak_rss_bytes` | of the process |
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

#: (prompt, new ids, temperature, top_k) -> the new ids. Temperature 0 is greedy.
Continue = Callable[[list[int], int, float, int], list[int]]


def arguments() -> tuple[str, dict, int, int]:
    """The variant, the run, the number of threads and the seed."""
    variant, run, threads, seed = sys.argv[1:]
    return variant, json.loads(Path(run).read_text()), int(threads), int(seed)


def process_age_ms() -> float:
    """Since this process was started, as the kernel counts: in ticks of 10 ms."""
    start_ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    return 1000 * (time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / os.sysconf("SC_CLK_TCK"))


def timed(function: Callable, *arguments) -> tuple[float, list[int]]:
    """Milliseconds and result."""
    start = time.perf_counter()
    result = function(*arguments)
    return 1000 * (time.perf_counter() - start), result


def measure(version: str, run: dict, continue_prompt: Continue, brief: bool = False) -> None:
    """Measures a loaded model; `brief` makes do with one sample of each, for what is slow."""
    load_ms = process_age_ms()
    repeats = 1 if brief else run["repeats"]
    prompt, counts = run["decode_prompt"], run["decode_tokens"]
    continue_prompt(prompt, 2, 0.0, 1)  # warm-up

    prefill_ms = {
        len(ids): [timed(continue_prompt, ids, 1, 0.0, 1)[0] for _ in range(repeats)]
        for ids in [prompt, *run["prefill_prompts"]]
    }
    first_ms = median(prefill_ms[len(prompt)])
    decoded = {count: [timed(continue_prompt, prompt, count, 0.0, 1) for _ in range(repeats)] for count in counts}
    sampling = (run["request_tokens"], run["temperature"], run["top_k"])
    request_ms = [timed(continue_prompt, ids, *sampling)[0] for ids in run["request_prompts"][: 1 if brief else None]]
    report = {
        "version": version,
        "load_ms": load_ms,
        "prefill_ms": prefill_ms,
        "decode_tokens_per_second": {
            count: [1000 * (count - 1) / (ms - first_ms) for ms, _ in samples] for count, samples in decoded.items()
        },
        "request_ms": request_ms,
        "greedy_ids": decoded[counts[0]][0][1],
        "peak_rss_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(report))
