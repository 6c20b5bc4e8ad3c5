"""PyTorch's training step, measured: bench_pytorch.py RUN.json.

`RUN.json` has a model's configuration, AdamW's settings, the number of threads and the batches, one
for each step. Prints the seconds and the loss of each step and the largest resident memory, as JSON.
"""

import json
import sys
import time
from pathlib import Path

import torch
from pytorch_gpt import Gpt
from torch.nn import functional as F


def main(run: dict) -> None:
    torch.set_num_threads(run["threads"])
    torch.manual_seed(run["seed"])
    model = Gpt(run["config"]).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=run["learning_rate"], weight_decay=run["weight_decay"]
    )
    seconds, losses = [], []
    for inputs, targets in run["batches"]:
        start = time.perf_counter()
        optimizer.zero_grad()
        logits = model(torch.tensor(inputs))
        loss = F.cross_entropy(logits.flatten(0, 1), torch.tensor(targets).flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
    status = Path("/proc/self/status").read_text().splitlines()
    peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    version = f"PyTorch {torch.__version__}"
    print(json.dumps({"version": version, "seconds": seconds, "losses": losses, "peak_rss_bytes": 1024 * peak_kib}))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
