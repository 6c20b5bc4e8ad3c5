"""llama.cpp with several texts at once, by its own llama-batched-bench.

python -m peers.llama_cpp_batched PROGRAMS PRECISION RUN.json THREADS PROMPT TOKENS TEXTS...: prints the tokens per
second of all texts together as JSON, by their number. PROGRAMS is the folder of another build, or empty. The prompts' time does not count, and no token is sampled.
"""

import json
import subprocess
import sys
from pathlib import Path

from peers.llama_cpp import PROGRAMS


def main() -> None:
    programs, precision, run, threads, prompt, tokens, *texts = sys.argv[1:]
    model = Path(json.loads(Path(run).read_text())["converted"]) / f"{precision}.gguf"
    positions = max(map(int, texts)) * (int(prompt) + int(tokens))
    command = [Path(programs or PROGRAMS) / "llama-batched-bench", "-m", model, "-t", threads, "-c", str(positions)]
    command += ["-npp", prompt, "-ntg", tokens, "-npl", ",".join(texts), "--output-format", "jsonl"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    report = {row["pl"]: row["speed_tg"] for row in rows}
    assert sorted(report) == sorted(map(int, texts)), output
    print(json.dumps(report))


if __name__ == "__main__":
    main()
