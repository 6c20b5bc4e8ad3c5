"""PyTorch's training step, measured: bench_pytorch.py RUN.json.

`RUN.json` has a model's configuration, AdamW's settings, the device, the number of threads and the batches, one
for each step; with `bf16` it is computed under autocast, with `compile` it is compiled. Prints the seconds and the loss
of each step and the largest memory, on a GPU that of the GPU, as JSON.
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
    device = torch.device(run["device"])
    model = Gpt(run["config"]).train().to(device)
    if run["compile"]:
        model = torch.compile(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=run["learning_rate"], weight_decay=run["weight_decay"]
    )
    seconds, losses = [], []
    for inputs, targets in run["batches"]:
        start = time.perf_counter()
        optimizer.zero_grad()
        inputs, targets = torch.tensor(inputs, device=device), torch.tensor(targets, device=device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=run["bf16"]):
            logits = model(inputs)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
    if device.type == "cuda":
        peak_bytes = torch.cuda.max_memory_allocated(device)
    else:
        status = Path("/proc/self/status").read_text().splitlines()
        peak_bytes = 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    version = f"PyTorch {torch.__version__}"
    print(json.dumps({"version": version, "seconds": seconds, "losses": losses, "peak_bytes": peak_bytes}))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
