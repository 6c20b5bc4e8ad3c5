"""Compares fine-tuning with trl and peft.

check_finetune.py batches HF_FOLDER CONVERSATIONS.jsonl OURS.json
check_finetune.py peft HF_BASE ADAPTER_FOLDER OURS.json
check_finetune.py make-adapter HF_BASE FOLDER
"""

import os

# Before the libraries are imported: they shall look for nothing elsewhere, and tell nobody.
os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "CUDA_VISIBLE_DEVICES": ""}

import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, GPT2LMHeadModel

TOLERANCE = 1e-5
UNCOUNTED = -100  # a label that does not count
SEED = 7

warnings.filterwarnings("ignore", category=FutureWarning)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def load(folder: Path) -> GPT2LMHeadModel:
    """A model without dropout."""
    model = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return model.eval()


def equal(what: str, found: list[int], expected: list[int]) -> None:
    """Asserts that two lists of ids are the same: ours, and what a library has."""
    assert len(found) == len(expected), f"{len(found)} {what}, expected {len(expected)}"
    different = [place for place, pair in enumerate(zip(found, expected)) if pair[0] != pair[1]]
    if different:
        around = slice(max(0, different[0] - 3), different[0] + 4)
        raise AssertionError(
            f"{len(different)} of {len(found)} {what} differ, the first at {different[0]}: "
            f"expected around it {expected[around]}, found {found[around]}"
        )


def close(what: str, found: np.ndarray, expected: np.ndarray, tolerance: float = TOLERANCE) -> None:
    """Asserts that numbers are the same up to rounding."""
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    difference = float(np.abs(found - expected).max())
    print(f"largest difference of {what}: {difference:e}")
    assert difference <= tolerance, f"{what}: a difference of {difference:e}, more than {tolerance:e}"


def numbers(nested: float | list) -> np.ndarray:
    """Numbers of a JSON file; null is NaN."""
    return np.array(nested, dtype=np.float64)


def loss_of(model: GPT2LMHeadModel, examples: list[dict[str, list[int]]]) -> float:
    """Mean over all counted tokens of examples, which are computed one by one: none sees another."""
    total, counted = 0.0, 0
    for example in examples:
        ids, labels = torch.tensor(example["input_ids"]), torch.tensor(example["labels"])
        with torch.inference_mode():
            logits = model(ids[None, :-1]).logits[0].double()
        total += float(cross_entropy(logits, labels[1:], ignore_index=UNCOUNTED, reduction="sum"))
        counted += int((labels[1:] != UNCOUNTED).sum())
    return total / counted


def batches(folder: Path, conversations: Path, ours: Path) -> None:
    """The ids, labels and loss of one batch of all conversations, as the SFT trainer makes it."""
    import datasets
    import trl

    datasets.disable_progress_bars()
    # Not `splitlines`, which also divides at U+2028.
    records = [json.loads(line) for line in conversations.read_text().split("\n") if line]
    found = json.loads(ours.read_text())
    model = load(folder)
    with tempfile.TemporaryDirectory() as elsewhere:
        # trl refuses a `max_length` with `padding_free`: what is too long is found below.
        config = trl.SFTConfig(
            output_dir=elsewhere,
            completion_only_loss=True,
            padding_free=True,
            max_length=None,
            per_device_train_batch_size=len(records),
            report_to="none",
            use_cpu=True,
            bf16=False,
        )
        trainer = trl.SFTTrainer(
            load(folder),
            args=config,
            train_dataset=datasets.Dataset.from_list(
                [{"prompt": record["prompt"], "completion": record["completion"]} for record in records]
            ),
            processing_class=AutoTokenizer.from_pretrained(folder, local_files_only=True),
        )
        examples = list(trainer.train_dataset)
        batch = trainer.data_collator(examples)

    assert len(examples) == len(records), f"trl makes {len(examples)} examples of {len(records)}"
    longest = max(len(example["input_ids"]) for example in examples)
    context = model.config.n_positions
    assert longest <= context, f"a conversation has {longest} ids, more than the context of {context}"
    for field in ("input_ids", "position_ids", "labels"):
        equal(field, found[field], batch[field][0].tolist())
    print(f"{len(found['input_ids'])} ids of {len(records)} conversations as in trl {trl.__version__}")
    loss = loss_of(model, examples)
    close("the loss and that of each example by itself", numbers(found["loss"]), numbers(loss))
    # All of them in one row, apart by their positions.
    with torch.inference_mode():
        in_one_row = trainer.compute_loss(trainer.model.eval(), dict(batch))
    close("the loss and that of trl", numbers(found["loss"]), numbers(float(in_one_row)))


def adapted(base: Path, adapter: Path, ours: Path) -> None:
    """Logits, merged logits and gradients of an adapter that we wrote."""
    import peft

    found = json.loads(ours.read_text())
    ids = torch.tensor(found["input_ids"])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = peft.PeftModel.from_pretrained(load(base), adapter, is_trainable=True).eval()
    # Among them: keys that are missing.
    told = [str(warning.message) for warning in told if not issubclass(warning.category, FutureWarning)]
    assert not told, f"peft {peft.__version__} warns: {told}"

    output = model(ids, labels=ids)
    output.loss.backward()
    close("logits", numbers(found["logits"]), output.logits.detach().double().numpy())
    close("the loss", numbers(found["loss"]), numbers(output.loss.item()))

    parameters = {
        name.replace(".default.", "."): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    unknown = found["gradients"].keys() - parameters.keys()
    assert not unknown, f"peft has no parameters of these names: {sorted(unknown)}, but {sorted(parameters)}"
    assert found["gradients"], "there are no gradients"
    for name, gradient in found["gradients"].items():
        of_ours, parameter = numbers(gradient), parameters[name]
        of_peft = parameter.grad.double().numpy()
        assert of_ours.shape == of_peft.shape, f"{name}: shape {of_ours.shape}, expected {of_peft.shape}"
        if name.endswith("c_attn.lora_B.weight"):
            # Queries, keys and values have changes of their own: outside the blocks there is nothing to learn.
            outside = np.isnan(of_ours)
            assert (parameter.detach().numpy()[outside] == 0).all(), f"{name}: gradients are missing"
            of_ours, of_peft = of_ours[~outside], of_peft[~outside]
        # They can be small themselves.
        largest = float(np.abs(of_peft).max())
        assert largest > 0, f"{name}: all gradients are zero"
        close(f"gradients of {name}, up to {largest:.1e}", of_ours, of_peft, min(TOLERANCE, largest / 1000))
    print(f"gradients of {len(found['gradients'])} of {len(parameters)} parameters")

    merged = model.merge_and_unload()
    with torch.inference_mode():
        logits = merged(ids).logits
    close("merged logits", numbers(found["merged_logits"]), logits.double().numpy())


def make_adapter(base: Path, folder: Path) -> None:
    """An adapter that peft writes, and the logits with it."""
    import peft

    torch.manual_seed(SEED)
    model = load(base)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=4,
        lora_alpha=6,
        target_modules=["c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"],
        rank_pattern={"mlp.c_fc": 2},
        fan_in_fan_out=True,
    )
    shape = (2, min(6, model.config.n_positions))
    ids = torch.randint(model.config.vocab_size, shape)
    with torch.inference_mode():
        before = model(ids).logits
    with_adapter = peft.get_peft_model(model, config).eval()
    for name, parameter in with_adapter.named_parameters():
        if ".lora_B." in name:  # which is zero in the beginning
            torch.nn.init.normal_(parameter, std=0.1)
    with_adapter.save_pretrained(folder)
    merged = with_adapter.merge_and_unload()
    with torch.inference_mode():
        logits = merged(ids).logits
    change = float((logits - before).abs().max())
    assert change > 100 * TOLERANCE, f"the adapter changes logits by {change:e} only"
    print(f"peft {peft.__version__} changes logits by up to {change:e}")
    expected = {"input_ids": ids.tolist(), "logits": logits.tolist()}
    (folder / "expected.json").write_text(json.dumps(expected))


COMMANDS = {"batches": batches, "peft": adapted, "make-adapter": make_adapter}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*map(Path, sys.argv[2:]))
