//! Tests of sampling: greedy, top-k, top-p, and distributions of draws.

use proptest::prelude::*;
use rand::Rng as _;

use super::*;

fn draws(sampling: Sampling, seed: u64, logits: &[f32], count: usize) -> Vec<u32> {
    let mut sampler = Sampler::new(sampling, seed);
    (0..count).map(|_| sampler.sample(logits)).collect()
}

#[test]
fn greedy_takes_the_first_of_the_largest() {
    assert_eq!(draws(Sampling::new(0.0, Some(2)), 1, &[0.5, 2.0, -1.0, 2.0], 3), [1, 1, 1]);
    assert_eq!(draws(Sampling::Greedy, 1, &[f32::NAN, f32::NEG_INFINITY, 2.0, f32::NAN, 2.0], 1), [2]);
    assert_eq!(draws(Sampling::Greedy, 1, &[f32::NAN, f32::NEG_INFINITY], 1), [1]);
    assert_eq!(Sampling::new(0.0, None).with_top_p(Some(0.5)), Sampling::Greedy);
}

/// Ids beyond the tokenizer are padding, however likely they are.
#[test]
fn what_is_beyond_the_choices_is_never_drawn() {
    let logits = [0.0, 1.0, 50.0, 60.0];
    for sampling in [
        Sampling::Greedy,
        Sampling::new(1.0, None),
        Sampling::new(1.0, Some(3)),
        Sampling::new(1.0, Some(3)).with_top_p(Some(0.9)),
        Sampling::new(1.0, None).with_top_p(Some(0.9)),
    ] {
        let mut sampler = Sampler::new(sampling, 3).among(2);
        assert!((0..200).all(|_| sampler.sample(&logits) < 2), "{sampling:?}");
    }
    // The draws are those of a row without them.
    let mut padded = Sampler::new(Sampling::new(1.0, None), 3).among(2);
    let drawn: Vec<u32> = (0..50).map(|_| padded.sample(&logits)).collect();
    assert_eq!(drawn, draws(Sampling::new(1.0, None), 3, &logits[..2], 50));
}

#[test]
fn top_k_draws_only_the_k_most_likely() {
    let logits = [1.0, 5.0, 3.0, 4.0, 2.0];
    let ids = draws(Sampling::new(10.0, Some(2)), 7, &logits, 2000);
    assert!(ids.contains(&1) && ids.contains(&3));
    assert!(ids.iter().all(|id| [1, 3].contains(id)));
    assert!(draws(Sampling::new(10.0, Some(1)), 7, &logits, 50).iter().all(|&id| id == 1));
}

/// The probabilities are [1, 2, 4, 1] / 8.
#[test]
fn top_p_draws_only_the_fewest_that_reach_it() {
    let logits = [0.0, 2f32.ln(), 4f32.ln(), 0.0];
    let drawn = |top_k, top_p| {
        let mut ids = draws(Sampling::new(1.0, top_k).with_top_p(Some(top_p)), 3, &logits, 2000);
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    assert_eq!(drawn(None, 0.0), [2]);
    assert_eq!(drawn(None, 0.49), [2]);
    assert_eq!(drawn(None, 0.51), [1, 2]);
    // Of the two that are equally likely, the first.
    assert_eq!(drawn(None, 0.8), [0, 1, 2]);
    assert_eq!(drawn(None, 0.9), [0, 1, 2, 3]);
    assert_eq!(drawn(None, 1.0), [0, 1, 2, 3]);
    // Of the first two alone, the larger has 4 / 6.
    assert_eq!(drawn(Some(2), 0.65), [2]);
    assert_eq!(drawn(Some(2), 0.68), [1, 2]);
}

/// The probabilities are [1, 2, 4, 1] / 8, so that the others have 1/4, 1/2 and 1/4 of the largest.
#[test]
fn min_p_draws_only_what_is_likely_enough() {
    let logits = [0.0, 2f32.ln(), 4f32.ln(), 0.0];
    let drawn = |sampling: Sampling| {
        let mut ids = draws(sampling, 3, &logits, 2000);
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let sampling = Sampling::new(1.0, None);
    assert_eq!(drawn(sampling.with_min_p(0.0)), [0, 1, 2, 3]);
    assert_eq!(drawn(sampling.with_min_p(0.2)), [0, 1, 2, 3]);
    assert_eq!(drawn(sampling.with_min_p(0.3)), [1, 2]);
    assert_eq!(drawn(sampling.with_min_p(1.0)), [2]);
    // At half the temperature the weights square: 1/16, 1/4, 1/16.
    assert_eq!(drawn(Sampling::new(0.5, None).with_min_p(0.2)), [1, 2]);
    // Of the two that are left, the larger has 4 / 6.
    assert_eq!(drawn(sampling.with_min_p(0.3).with_top_p(Some(0.65))), [2]);
    assert_eq!(drawn(sampling.with_min_p(0.3).with_top_p(Some(0.68))), [1, 2]);
    assert_eq!(drawn(Sampling::new(1.0, Some(3)).with_min_p(0.3)), [1, 2]);
    assert_eq!(Sampling::Greedy.with_min_p(0.5), Sampling::Greedy);
}

/// Greedy decoding of the same row: the penalty of an id grows with each time that it is chosen.
#[test]
fn the_ids_that_were_chosen_are_penalized() {
    let processors = LogitsProcessors { frequency_penalty: 1.0, ..LogitsProcessors::default() };
    let mut sampler = Sampler::new(Sampling::Greedy, 0).among(3).processed(&processors, &[2, 2]);
    let ids: Vec<u32> = (0..6).map(|_| sampler.sample(&[3.0, 1.5, 0.9, 99.0])).collect();
    assert_eq!(ids, [0, 0, 1, 0, 2, 1]);
}

/// softmax([0, ln 2, ln 3, -inf] / T): at T = 1 it is [1, 2, 3, 0] / 6; at T = 0.5 the weights
/// square to [1, 4, 9, 0] / 14.
#[test]
fn frequencies_follow_the_tempered_softmax() {
    let logits = [0.0, 2f32.ln(), 3f32.ln(), f32::NEG_INFINITY];
    for (temperature, expected) in
        [(1.0, [1.0 / 6.0, 2.0 / 6.0, 0.5]), (0.5, [1.0 / 14.0, 4.0 / 14.0, 9.0 / 14.0])]
    {
        let count = 60_000;
        let ids = draws(Sampling::new(temperature, None), 3, &logits, count);
        for (id, probability) in expected.iter().enumerate() {
            let frequency = ids.iter().filter(|&&i| i as usize == id).count() as f64 / count as f64;
            // Five standard deviations of a binomial frequency.
            let tolerance = 5.0 * (probability * (1.0 - probability) / count as f64).sqrt();
            assert!((frequency - probability).abs() < tolerance, "{id}: {frequency} != {probability}");
        }
        assert!(!ids.contains(&3));
    }
}

#[test]
fn the_seed_fixes_the_draws() {
    let logits: Vec<f32> = (0..100).map(|i| (i % 7) as f32 * 0.1).collect();
    let sampling = Sampling::new(0.7, Some(50));
    assert_eq!(draws(sampling, 5, &logits, 40), draws(sampling, 5, &logits, 40));
    assert_ne!(draws(sampling, 5, &logits, 40), draws(sampling, 6, &logits, 40));
}

#[test]
fn extreme_temperatures_stay_finite() {
    let logits = [1e30, -1e30, 0.0];
    assert_eq!(draws(Sampling::new(1e-30, None), 1, &logits, 10), [0; 10]);
    assert!(draws(Sampling::new(f32::MAX, None), 1, &logits, 100).iter().any(|&id| id != 0));
}

/// The definition: sort the whole vocabulary, cut it, draw.
fn reference(logits: &[f32], (temperature, top_k, top_p): Rule, uniform: f64) -> u32 {
    let numbers = logits.iter().copied().filter(|logit| !logit.is_nan());
    let max = numbers.fold(f32::NEG_INFINITY, f32::max);
    let weight = |id: u32| f64::from((logits[id as usize] - max) / temperature).exp();
    let mut ids: Vec<u32> = (0..logits.len() as u32).filter(|&id| !logits[id as usize].is_nan()).collect();
    let whole: f64 = ids.iter().map(|&id| weight(id)).sum();
    let top_k = top_k.filter(|&k| k < logits.len());
    let top_p = top_p.filter(|&p| p < 1.0);
    // Only a cut needs an order; without one, the draw goes by id.
    if top_k.is_some() || top_p.is_some() {
        ids.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
    }
    ids.truncate(top_k.unwrap_or(ids.len()));
    if let Some(p) = top_p {
        let total = if top_k.is_some() { ids.iter().map(|&id| weight(id)).sum() } else { whole };
        let mut sum = 0.0;
        let mut last = 0;
        while last < ids.len() && (last == 0 || sum < f64::from(p) * total) {
            sum += weight(ids[last]);
            last += 1;
        }
        ids.truncate(last);
    }
    let mut remaining = uniform * ids.iter().map(|&id| weight(id)).sum::<f64>();
    for &id in &ids {
        remaining -= weight(id);
        if remaining < 0.0 {
            return id;
        }
    }
    logits.iter().position(|&logit| logit == max).unwrap_or(0) as u32
}

type Rule = (f32, Option<usize>, Option<f32>);

/// Rows from one logit to more than two rounds of a nucleus, with many ties, zeros of both signs, and
/// logits that are not finite.
fn rows() -> impl Strategy<Value = Vec<f32>> {
    let logit = prop_oneof![
        8 => -20f32..20.0,
        8 => (-3i8..3).prop_map(|logit| f32::from(logit) / 2.0),
        2 => Just(-0.0f32),
        2 => Just(f32::NEG_INFINITY),
        2 => prop_oneof![Just(f32::NAN), Just(-f32::NAN)],
    ];
    let lengths = prop_oneof![1..40usize, 1..1000usize];
    let row = lengths.prop_flat_map(move |length| prop::collection::vec(logit.clone(), length));
    // Infinity makes a distribution impossible, so it is rare.
    (row, prop::option::weighted(0.05, any::<prop::sample::Index>())).prop_map(|(mut row, infinite)| {
        if let Some(index) = infinite {
            let index = index.index(row.len());
            row[index] = f32::INFINITY;
        }
        row
    })
}

proptest! {
    #[test]
    fn equals_the_definition(
        rows in prop::collection::vec(rows(), 1..4),
        temperature in prop_oneof![Just(0.7f32), 0.01f32..10.0],
        top_k in prop::option::of(1..120usize),
        top_p in prop::option::of(0f32..1.1),
        seed in any::<u64>(),
    ) {
        let mut sampler = Sampler::new(Sampling::new(temperature, top_k).with_top_p(top_p), seed);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for logits in rows {
            for _ in 0..5 {
                // One random number per draw, whatever the row.
                let expected = reference(&logits, (temperature, top_k, top_p), random.random());
                prop_assert_eq!(sampler.sample(&logits), expected);
            }
        }
    }

    #[test]
    fn greedy_is_the_first_of_the_best_ranked(logits in rows()) {
        let expected = reference(&logits, (1.0, Some(1), None), 1.0);
        prop_assert_eq!(draws(Sampling::Greedy, 0, &logits, 1), [expected]);
    }
}
