//! Pseudorandom permutation: a shuffled order that takes no memory, for any number of windows.
//!
//! A Feistel network mixes one half of a number's bits into the other, in turns. Each turn can be
//! undone, whatever it mixes, so the network permutes all numbers of so many bits (Luby and Rackoff,
//! "How to Construct Pseudorandom Permutations from Pseudorandom Functions", 1988). A number beyond
//! the count goes through it again until it is not (Black and Rogaway, "Ciphers with Arbitrary Finite
//! Domains", 2002).

use rand::Rng;

/// Turns of the network. Four are enough for many bits; few bits need more.
const TURNS: usize = 8;

/// An order of the numbers below `count`.
#[derive(Clone, Debug)]
pub struct Permutation {
    count: usize,
    half_bits: u32,
    keys: [u64; TURNS],
}

impl Permutation {
    /// Draws an order.
    pub fn draw(count: usize, random: &mut impl Rng) -> Self {
        let bits = usize::BITS - count.saturating_sub(1).leading_zeros();
        Self { count, half_bits: bits.div_ceil(2), keys: random.random() }
    }

    /// The number at a place of the order.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn at(&self, place: usize) -> usize {
        assert!(place < self.count, "place {place} of {}", self.count);
        // Ends: the network leads in a circle through `place`, which is below the count.
        let mut number = self.network(place);
        while number >= self.count {
            number = self.network(number);
        }
        number
    }

    fn network(&self, number: usize) -> usize {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right as u64 ^ key) as usize & mask));
        }
        left << self.half_bits | right
    }
}

/// Makes every bit depend on every other: the last step of SplitMix64 (Steele, Lea and Flood, "Fast
/// Splittable Pseudorandom Number Generators", 2014).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn every_number_has_one_place() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for count in (1..70).chain([1000, 1024, 1025]) {
            let permutation = Permutation::draw(count, &mut random);
            let mut numbers: Vec<usize> = (0..count).map(|place| permutation.at(place)).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..count).collect::<Vec<_>>());
        }
    }

    /// Of 18 numbers in 18,000 orders, each is expected 1,000 times at a place, with a standard
    /// deviation of sqrt(1,000 * 17 / 18) = 31; and follows a number next to it, below or above, in
    /// about one of nine pairs.
    #[test]
    fn no_place_prefers_a_number() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let (count, mut found, mut neighbours) = (18, [[0; 18]; 18], 0);
        for _ in 0..1000 * count {
            let permutation = Permutation::draw(count, &mut random);
            for place in 0..count {
                found[place][permutation.at(place)] += 1;
            }
            neighbours += usize::from(permutation.at(0).abs_diff(permutation.at(1)) == 1);
        }
        for frequency in found.concat() {
            assert!((850..1150).contains(&frequency), "{frequency}");
        }
        // 2 (n - 1) of n (n - 1) pairs: 2,000 expected, with a standard deviation of 42.
        assert!((1_800..2_200).contains(&neighbours), "{neighbours}");
    }
}
