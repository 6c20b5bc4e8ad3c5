"""llama.cpp: speeds by its own llama-bench, the rest by llama-continue (see llama_cpp/)."""

import json
import resource
import subprocess
import time
from pathlib import Path

from peers.measure import arguments

PROGRAMS = Path(__file__).parents[2] / "target/llama-cpp"


def continue_prompts(command: list, prompts: list[list[int]]) -> tuple[float, list[tuple[float, list[int]]]]:
    """Milliseconds until the model was loaded, then those of each prompt and its new ids."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        load_ms = 1000 * (time.perf_counter() - start)
        output, _ = process.communicate("".join(f"{' '.join(map(str, ids))}\n" for ids in prompts))
    assert process.returncode == 0
    answers = [line.split() for line in output.splitlines()]
    return load_ms, [(float(ms), [int(token) for token in ids]) for ms, *ids in answers]


def bench(programs: Path, model: Path, run: dict, threads: int) -> dict:
    """What llama-bench tells of a model."""
    lengths = [len(run["decode_prompt"]), *(len(ids) for ids in run["prefill_prompts"])]
    listed = lambda values: ",".join(map(str, values))
    command = [programs / "llama-bench", "-o", "json", "-m", model, "-t", str(threads), "-r", str(run["repeats"])]
    output = subprocess.run(
        [*command, "-p", listed(lengths), "-n", listed(run["decode_tokens"])], check=True, capture_output=True, text=True
    )
    tests = json.loads(output.stdout)
    return {
        "prefill_ms": {test["n_prompt"]: [ns / 1e6 for ns in test["samples_ns"]] for test in tests if test["n_prompt"]},
        "decode_tokens_per_second": {test["n_gen"]: test["samples_ts"] for test in tests if test["n_gen"]},
    }


def main() -> None:
    precision, run, threads, seed = arguments()
    model = Path(run["converted"]) / f"{precision}.gguf"
    prompt, counts = run["decode_prompt"], run["decode_tokens"]

    program = [PROGRAMS / "llama-continue", model, str(threads)]
    _, [(_, greedy_ids)] = continue_prompts([*program, str(counts[0]), "0", "1", "0"], [prompt])
    sampling = [str(run[name]) for name in ("request_tokens", "temperature", "top_k")]
    # The first prompt once more before the others: a warm-up.
    prompts = run["request_prompts"]
    load_ms, [_, *answers] = continue_prompts([*program, *sampling, str(seed)], [prompts[0], *prompts])
    peak_rss_bytes = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

    report = {
        "version": (PROGRAMS / "version").read_text().strip(),
        "load_ms": load_ms,
        **bench(PROGRAMS, model, run, threads),
        "request_ms": [ms for ms, _ in answers],
        "greedy_ids": greedy_ids,
        "peak_rss_bytes": peak_rss_bytes,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
