"""Quality for time: the loss that minutes of training buy, beside nanoGPT's recipe in PyTorch.

bench_quality.py --programs FOLDER [--minutes LIST] [--text FILE ...] [--json FILE]

The texts are one file whose last tenth is held out. For each number of minutes three contenders take their turn: `gpt
train --preset auto` with that budget, export and evaluation included, and nanoGPT's recipe for CPUs with characters and
with GPT-2's tokenizer, whose training takes the whole time. All are judged on the whole held-out tenth.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEER = Path(__file__).parent / "peers/nanogpt.py"


def split(texts: list[Path], folder: Path) -> dict[str, str]:
    """The paths of both parts: the last tenth of the bytes begins with a whole character."""
    text = b"".join(path.read_bytes() for path in texts)
    border = len(text) * 9 // 10
    while text[border] & 0xC0 == 0x80:
        border += 1
    parts = {"training": text[:border], "held_out": text[border:]}
    for name, part in parts.items():
        (folder / f"{name}.txt").write_bytes(part)
    return {name: str(folder / f"{name}.txt") for name in parts}


def gpt(programs: Path, *arguments: str) -> str:
    """What `gpt` prints, with its progress on this program's standard error."""
    done = subprocess.run([programs / "gpt", *arguments], stdout=subprocess.PIPE, text=True)
    # 3: published, but no better than the model before.
    if done.returncode not in (0, 3):
        sys.exit(f"error: gpt {arguments[0]} ended with {done.returncode}")
    return done.stdout


def newest(store: Path, name: str) -> Path:
    return max((store / "models" / name).iterdir())


def gpt2_tokenizer(programs: Path, folder: Path, training: str) -> str:
    """GPT-2's tokenizer as a file, from the export of a model that is trained for a moment."""
    store = str(folder / "tokenizer")
    settings = ["--set", "training.max_steps=1", "--set", "training.final_evaluation_windows=1"]
    places = ["--store", store, "--checkpoints", str(folder / "checkpoints")]
    gpt(programs, "train", "--preset", "tiny", "--corpus", training, *places, *settings)
    gpt(programs, "export", "channel:live", "--store", store, "--format", "hf", "--to", str(folder / "hf"))
    return str(folder / "hf/tokenizer.json")


def auto(programs: Path, folder: Path, parts: dict[str, str], minutes: float) -> dict:
    name = f"auto-{minutes:g}"
    start = time.perf_counter()
    gpt(
        programs, "train", "--preset", "auto", "--budget", f"{60 * minutes:g}s", "--corpus", parts["training"],
        "--validation", parts["held_out"], "--store", str(folder / "store"), "--name", name,
        "--checkpoints", str(folder / "checkpoints"),
    )  # fmt: skip
    seconds = time.perf_counter() - start
    manifest = json.loads((newest(folder / "store", name) / "manifest.json").read_text())
    # Once more, since the training may have judged it by windows of the text.
    model = ("version:" + name, "--store", str(folder / "store"))
    evaluation = json.loads(gpt(programs, "evaluate", *model, "--corpus", parts["held_out"], "--json"))["evaluation"]
    return {"bits_per_byte": evaluation["bits_per_byte"], "steps": manifest["training"]["steps"], "seconds": seconds}


def nanogpt(folder: Path, parts: dict[str, str], minutes: float, tokenizer: str | None) -> dict:
    run = {**parts, "seconds": 60 * minutes, "threads": os.cpu_count(), "seed": 1337, "tokenizer": tokenizer}
    path = folder / "run.json"
    path.write_text(json.dumps(run))
    start = time.perf_counter()
    done = subprocess.run([sys.executable, PEER, path], stdout=subprocess.PIPE, text=True, check=True)
    return {**json.loads(done.stdout), "seconds": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--minutes", default="2.5,5,10,20")
    parser.add_argument("--text", type=Path, action="append", required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        parts = split(arguments.text, folder)
        tokenizer = gpt2_tokenizer(arguments.programs, folder, parts["training"])
        print(f"{'minutes':>7}  {'contender':<22}{'bits per byte':>14}{'steps':>8}{'seconds':>9}{'of nanoGPT':>12}")
        for minutes in map(float, arguments.minutes.split(",")):
            contenders = {
                "nanoGPT, characters": lambda: nanogpt(folder, parts, minutes, None),
                "nanoGPT, GPT-2's": lambda: nanogpt(folder, parts, minutes, tokenizer),
                "auto": lambda: auto(arguments.programs, folder, parts, minutes),
            }
            first = None
            for name, measure in contenders.items():
                result = measure()
                first = first or result["bits_per_byte"]
                results.append({"minutes": minutes, "contender": name, **result})
                print(
                    f"{minutes:>7g}  {name:<22}{result['bits_per_byte']:>14.4f}{result['steps']:>8}"
                    f"{result['seconds']:>9.1f}{result['bits_per_byte'] / first:>12.3f}",
                    flush=True,
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
