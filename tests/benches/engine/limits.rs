//! Limits of the machine: the bandwidth of its memory and the rate of its int8 products, by which speeds are judged.
//!
//! Decoding a token reads all weights once, so that it cannot be faster than their bytes by the bandwidth (the roofline
//! of Williams, Waterman and Patterson, 2009); a prompt of many tokens is bound by products.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use anyhow::{Context, Result};
use artifact::GptConfig;
use serde::{Deserialize, Serialize};

/// How often each is measured; the median counts.
const REPEATS: usize = 7;
/// Sums of products that are under way at once: more than the multipliers need to be busy.
const SUMS: usize = 16;
/// Rounds of [`SUMS`] instructions.
const ROUNDS: usize = 200_000;

/// Bytes of a cache line, and lines that are asked for ahead, as the kernels do.
const LINE: usize = 64;
const AHEAD: usize = 32;

/// What a number of threads can do at most.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    pub threads: usize,
    /// Reading as many bytes as a token of int4 weights takes, over and over: from memory, or from a cache that is
    /// so large.
    pub bytes_per_second: f64,
    /// Products of two int8 numbers, summed up.
    pub products_per_second: f64,
}

impl Limits {
    /// Measures them on so many threads, with a read of `bytes`.
    pub fn measure(threads: usize, bytes: usize) -> Result<Self> {
        // In large pages, as the kernels' weights.
        let mut memory = memmap2::MmapMut::map_anon(bytes)?;
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::HugePage); // without them it is measured too
        memory.fill(1);
        let part = memory.len().div_ceil(threads).next_multiple_of(LINE);
        let read = seconds(threads, |thread| read(memory.chunks(part).nth(thread).unwrap_or_default()))?;
        let multiplied = seconds(threads, |_| multiply())?;
        let products = threads * ROUNDS * SUMS * products_of_instruction();
        Ok(Self {
            threads,
            bytes_per_second: memory.len() as f64 / read,
            products_per_second: products as f64 / multiplied,
        })
    }
}

/// The median of the seconds that all threads take to run `work` at the same time.
fn seconds(threads: usize, work: impl Fn(usize) + Sync) -> Result<f64> {
    let barrier = Barrier::new(threads);
    let run = |thread: usize| {
        let mut times: Vec<f64> = (0..REPEATS)
            .map(|_| {
                barrier.wait();
                let start = Instant::now();
                work(thread);
                barrier.wait();
                start.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        times[REPEATS / 2]
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        let own = run(0);
        others.into_iter().try_for_each(|other| other.join().map(drop)).ok().context("a thread panicked")?;
        Ok(own)
    })
}

/// Reads all of it, in the widest registers.
#[cfg(target_arch = "x86_64")]
fn read(memory: &[u8]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    #[inline(always)]
    fn sum(memory: &[u8]) {
        let mut sums = [[0_u64; LINE / size_of::<u64>()]; 2];
        for lines in memory.as_chunks::<{ 2 * LINE }>().0 {
            // SAFETY: every x86-64 has this instruction; it accepts any address and never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(lines.as_ptr().wrapping_add(AHEAD * LINE).cast()) };
            // SAFETY: as above.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(lines.as_ptr().wrapping_add((AHEAD + 1) * LINE).cast()) };
            for (sums, line) in sums.iter_mut().zip(lines.as_chunks::<LINE>().0) {
                for (sum, number) in sums.iter_mut().zip(line.as_chunks().0) {
                    *sum = sum.wrapping_add(u64::from_ne_bytes(*number));
                }
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f")]
    fn avx512(memory: &[u8]) {
        sum(memory);
    }

    #[target_feature(enable = "avx2")]
    fn avx2(memory: &[u8]) {
        sum(memory);
    }

    if has_vnni() {
        // SAFETY: the processor has the instructions.
        unsafe { avx512(memory) }
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        unsafe { avx2(memory) }
    } else {
        sum(memory);
    }
}

#[cfg(target_arch = "x86_64")]
fn has_vnni() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
}

/// Products of int8 numbers that one instruction, or three of AVX2, sum up.
#[cfg(target_arch = "x86_64")]
fn products_of_instruction() -> usize {
    if has_vnni() { 64 } else { 32 }
}

#[cfg(target_arch = "x86_64")]
fn multiply() {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn vnni() {
        let (a, b) = (black_box(_mm512_set1_epi8(3)), black_box(_mm512_set1_epi8(5)));
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2")]
    fn avx2() {
        let (a, b) = (black_box(_mm256_set1_epi8(3)), black_box(_mm256_set1_epi8(5)));
        let ones = _mm256_set1_epi16(1);
        let mut sums = [_mm256_setzero_si256(); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                let pairs = _mm256_maddubs_epi16(black_box(a), b);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        black_box(sums);
    }

    if has_vnni() {
        // SAFETY: the processor has the instructions.
        unsafe { vnni() }
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        unsafe { avx2() }
    }
}

/// Bytes of weights that decoding one token reads, by what a configuration calls its precision: matrices of the
/// blocks and output head, with their scales; for a head of two passes its 4 bits, and 8 for some two hundred columns.
pub fn bytes_per_token(config: &GptConfig, variant: &str) -> Option<f64> {
    let GptConfig { d_model, d_ff, n_layers, vocab_size, .. } = *config;
    let body = (n_layers * d_model * (4 * d_model + 2 * d_ff)) as f64;
    let head = (vocab_size * d_model) as f64;
    let with_scales = |bits: f64, block: f64| bits / 8.0 + 4.0 / block;
    Some(match variant {
        "w4" => (body + head) * with_scales(4.0, 256.0) + (220 * d_model) as f64,
        "w8" => body * with_scales(8.0, 128.0) + head * with_scales(8.0, 64.0),
        // Blocks of 32 with a scale of 16 bits.
        "q4_0" => (body + head) * 18.0 / 32.0,
        "q8_0" => (body + head) * 34.0 / 32.0,
        "int8" => body + head,
        "float32" | "cached" => 4.0 * (body + head),
        _ => return None,
    })
}

/// Products that a token of a prompt takes in the blocks.
pub fn products_per_token(config: &GptConfig) -> f64 {
    let GptConfig { d_model, d_ff, n_layers, .. } = *config;
    (n_layers * d_model * (4 * d_model + 2 * d_ff)) as f64
}
