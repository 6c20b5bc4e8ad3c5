"""A build of llama.cpp, or of a fork of it, that the user has: python -m peers.llama_bench FOLDER VARIANT RUN.json
THREADS SEED. Its llama-bench tells speeds; the rest is not measured.
"""

import json
import resource
import sys
from pathlib import Path

from peers.llama_cpp import bench
from peers.measure import arguments


def main() -> None:
    programs = Path(sys.argv.pop(1))
    precision, run, threads, _ = arguments()
    speeds = bench(programs, Path(run["converted"]) / f"{precision}.gguf", run, threads)
    peak_rss_bytes = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    rest = {"load_ms": None, "request_ms": [], "greedy_ids": None, "peak_rss_bytes": peak_rss_bytes}
    print(json.dumps({"version": str(programs), **speeds, **rest}))


if __name__ == "__main__":
    main()
