//! Top-k selection: the largest logits of a row, in one pass over it.
//!
//! A vocabulary has tens of thousands of ids, of which a few dozen are wanted. So most of the row is
//! only compared, a block at a time, with the worst logit that is still wanted.

/// Logits per block, and lanes that the compiler can keep in vector registers.
const BLOCK: usize = 64;
const LANES: usize = 16;

/// The most likely ids of a row. Kept between rows, it does not allocate.
#[derive(Default)]
pub(super) struct Ranking {
    /// See [`rank`]; up to twice as many as are wanted.
    ranks: Vec<u64>,
    /// Those wanted, the most likely first.
    ids: Vec<u32>,
}

impl Ranking {
    /// Finds the `count` largest logits: by logit, of equal ones the smaller id first. There are
    /// fewer if the row has fewer numbers.
    pub(super) fn select(&mut self, logits: &[f32], count: usize) {
        self.ranks.clear();
        self.ids.clear();
        if count == 0 {
            return;
        }
        let room = count.saturating_mul(2).min(logits.len());
        self.ranks.reserve(room);
        // Ids that do not rank above `worst` are not wanted. It rises whenever there is no room left.
        let mut worst = 0;
        let mut worst_logit = f32::NEG_INFINITY;
        for (block, first) in logits.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
            if largest(block) < worst_logit {
                continue;
            }
            for (&logit, id) in block.iter().zip(first..) {
                let rank = rank(logit, id);
                // The first comparison is false for NaN.
                if logit >= worst_logit && rank > worst {
                    if self.ranks.len() == room {
                        worst = self.keep(count);
                        worst_logit = logit_of(worst);
                    }
                    self.ranks.push(rank);
                }
            }
        }
        if self.ranks.len() > count {
            self.keep(count);
        }
        // Largest rank first.
        self.ranks.sort_unstable_by(|a, b| b.cmp(a));
        self.ids.extend(self.ranks.iter().map(|&rank| id_of(rank)));
    }

    /// Drops all but the `count` largest ranks, and returns the smallest that is kept.
    fn keep(&mut self, count: usize) -> u64 {
        let (_, &mut last, _) = self.ranks.select_nth_unstable_by(count - 1, |a, b| b.cmp(a));
        self.ranks.truncate(count);
        last
    }

    /// The ids that [`select`](Self::select) found, the most likely first.
    pub(super) fn ids(&self) -> &[u32] {
        &self.ids
    }
}

/// A logit and its id as one number, which is larger the larger the logit and then the smaller the
/// id. Logits compare as by [`f32::total_cmp`]: the bits of negative ones are flipped, and the sign of
/// the others.
fn rank(logit: f32, id: u32) -> u64 {
    let bits = logit.to_bits();
    let ordered = if logit.is_sign_negative() { !bits } else { bits | SIGN };
    u64::from(ordered) << 32 | u64::from(!id)
}

const SIGN: u32 = 1 << 31;

fn id_of(rank: u64) -> u32 {
    !(rank as u32)
}

fn logit_of(rank: u64) -> f32 {
    let ordered = (rank >> 32) as u32;
    f32::from_bits(if ordered & SIGN == 0 { !ordered } else { ordered & !SIGN })
}

/// The largest number among `logits`; minus infinity if there is none.
pub(super) fn largest(logits: &[f32]) -> f32 {
    // Written so that NaN is passed over, in lanes that do not wait for each other.
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, logit);
        }
    }
    lanes.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, larger)
}

/// Index of the largest number; of equal ones, the first; 0 if there is none.
pub(super) fn first_of_largest(logits: &[f32]) -> u32 {
    let max = largest(logits);
    logits.iter().position(|&logit| logit == max).unwrap_or(0) as u32
}
