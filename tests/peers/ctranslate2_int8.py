"""CTranslate2 with int8 weights."""

from pathlib import Path

import ctranslate2

from peers.measure import arguments, measure


def main() -> None:
    variant, run, threads, seed = arguments()
    ctranslate2.set_random_seed(seed)
    path = Path(run["converted"]) / f"ctranslate2-{variant}"
    generator = ctranslate2.Generator(str(path), device="cpu", compute_type=variant, intra_threads=threads)

    def continue_prompt(prompt: list[int], tokens: int, temperature: float, top_k: int) -> list[int]:
        greedy = temperature == 0
        (result,) = generator.generate_batch(
            [[str(token) for token in prompt]],
            include_prompt_in_result=False,
            max_length=tokens,
            min_length=tokens,
            sampling_topk=1 if greedy else top_k,
            sampling_temperature=1 if greedy else temperature,
        )
        return result.sequences_ids[0]

    measure(f"CTranslate2 {ctranslate2.__version__}", run, continue_prompt)


if __name__ == "__main__":
    main()
