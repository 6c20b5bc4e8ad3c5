"""Experiments behind `--preset auto`: shapes and levers on a text, as a table, and the scaling law fitted to them.

bench_sweep.py --programs FOLDER --text FILE ... --table FILE [--levers]

Each row is a training by `gpt train` from the recipe of training/presets/auto.toml with some settings changed, on the
first nine tenths of the text, judged on the whole last tenth. Loss for tokens does not depend on the speed of the
machine, so that this may take turns with other work.
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
from bench_quality import gpt, newest, split

#: Layers, width, tokens.
TRAININGS = [
    (2, 64, 0.6e6), (4, 128, 0.6e6), (2, 64, 2.4e6), (3, 96, 1.2e6), (4, 128, 1.2e6), (4, 192, 1.2e6),
    (3, 96, 3.6e6), (4, 128, 3.6e6), (6, 256, 1.2e6), (4, 192, 3.6e6), (6, 256, 3.6e6),
]  # fmt: skip
#: What each lever of the recipe is worth, in one of these.
LEVER_TRAINING = (4, 128, 1.2e6)
LEVERS = {
    "the recipe": [],
    "AdamW for all": ["training.optimizer=adamw"],
    "a constant rate": ["training.decay_fraction=0.0001"],
    "decay in the last fifth": ["training.decay_fraction=0.2"],
    "a cosine": ["training.decay=cosine", "training.decay_fraction=1.0"],
    "no weight decay": ["training.weight_decay=0.0"],
    "no clipping": ["training.clip_gradient_norm=1e9"],
    "half the rates": ["training.learning_rate=1.5e-3", "training.muon_learning_rate=0.01"],
    "twice the rates": ["training.learning_rate=6e-3", "training.muon_learning_rate=0.04"],
    "dropout 0.1": ["model.dropout=0.1"],
    "context 64": ["model.context_length=64", "training.batch_size=16"],
    "context 256": ["model.context_length=256", "training.batch_size=4"],
    "512 tokens a step": ["training.batch_size=4"],
    "2,048 tokens a step": ["training.batch_size=16"],
    "1,024 ids": ["tokenizer=train:1024"],
    "2,048 ids": ["tokenizer=train:2048"],
    "8,192 ids": ["tokenizer=train:8192"],
    "GPT-2's ids": ["tokenizer=gpt2"],
}


def train(programs: Path, folder: Path, parts: dict[str, str], settings: list[str]) -> dict:
    """A training with these settings, and what its manifest says of it."""
    tokenizer = "train"
    arguments = []
    for setting in settings:
        if setting.startswith("tokenizer="):
            tokenizer = setting.removeprefix("tokenizer=")
        else:
            arguments += ["--set", setting]
    store = folder / "store"
    gpt(
        programs, "train", "--preset", str(folder / "recipe.toml"), "--tokenizer", tokenizer, *arguments,
        "--corpus", parts["training"], "--validation", parts["held_out"], "--store", str(store), "--name", "sweep",
        "--checkpoints", str(folder / "checkpoints"), "--restart", "--margin", "100",
    )  # fmt: skip
    return json.loads((newest(store, "sweep") / "manifest.json").read_text())


def settings_of(layers: int, width: int, tokens: float) -> list[str]:
    return [
        f"model.n_layers={layers}", f"model.d_model={width}", f"model.d_ff={4 * width}", f"model.n_heads={width // 32}",
        f"training.max_steps={round(tokens / 1024)}", f"training.evaluate_every_steps={round(tokens / 1024 / 4)}",
    ]  # fmt: skip


def fit(rows: list[tuple[float, float, float, float]]) -> dict[str, float]:
    """E + A / N^a + B / D^b with repeated bytes worth less, by least squares: linear in E, A and B for each (a, b, R)."""
    parameters, size, text, loss = np.array(rows).T
    best = None
    for a, b, useful in itertools.product(np.arange(0.1, 0.61, 0.02), np.arange(0.1, 0.91, 0.02), [3, 5, 8, 12, 16, 24]):
        repeated = np.maximum(size / text - 1, 0)
        worth = np.where(repeated > 0, text * (1 + useful * (1 - np.exp(-repeated / useful))), size)
        columns = np.stack([np.ones_like(loss), parameters**-a, worth**-b], axis=1)
        solution, *_ = np.linalg.lstsq(columns, loss, rcond=None)
        error = np.sqrt(np.mean((columns @ solution - loss) ** 2))
        if (solution > 0).all() and (best is None or error < best["error"]):
            floor, by_size, by_text = solution
            best = {"E": floor, "A": by_size, "a": a, "B": by_text, "b": b, "R": useful, "error": error}
    return {name: float(value) for name, value in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--text", type=Path, action="append", required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--levers", action="store_true")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).parents[1] / "training/presets/auto.toml")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary, arguments.table.open("a") as table:
        folder = Path(temporary)
        (folder / "recipe.toml").write_text(arguments.recipe.read_text().replace("epochs = 1\n", "epochs = 1000\n"))
        parts = split(arguments.text, folder)
        size = Path(parts["training"]).stat().st_size
        def row(cells: list) -> None:
            print("|", " | ".join(map(str, cells)), "|", file=table, flush=True)

        def measure(settings: list[str]) -> tuple[float, float]:
            manifest = train(arguments.programs, folder, parts, settings)
            return manifest["evaluation"]["bits_per_byte"], sum(text["tokens"] for text in manifest["training"]["corpus"])

        row(["layers x width", "tokens", "passes", "bits per byte"])
        row(["---"] * 4)
        for layers, width, count in TRAININGS:
            loss, tokens = measure(settings_of(layers, width, count))
            # The whole corpus is counted; its last tenth is held out.
            passes = count / (tokens * size / (size + Path(parts["held_out"]).stat().st_size))
            rows.append((12 * layers * width**2, passes * size, size, loss))
            row([f"{layers} x {width}", f"{count:.0f}", f"{passes:.1f}", f"{loss:.4f}"])
        print(f"\nfitted: {json.dumps(fit(rows))}\n", file=table, flush=True)
        if not arguments.levers:
            return
        row(["lever of {} x {}".format(*LEVER_TRAINING), "bits per byte"])
        row(["---"] * 2)
        for name, settings in LEVERS.items():
            row([name, f"{measure([*settings_of(*LEVER_TRAINING), *settings])[0]:.4f}"])


if __name__ == "__main__":
    main()
