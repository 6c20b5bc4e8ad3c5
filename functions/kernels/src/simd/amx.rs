//! AMX (Advanced Matrix Extensions): products of whole tiles of bytes, 16 rows at once.
//!
//! Intel's "Architectures Software Developer's Manual", volume 1, "Programming with Intel AMX".

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::LazyLock;

use super::line::{LANES, Line};

/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 16;
/// Bytes of a row of a tile.
pub(crate) const TILE_BYTES: usize = 64;
/// Words of weights that a tile has of each column.
pub(crate) const TILE_WORDS: usize = TILE_BYTES / 4;
/// Lines of weights side by side whose products are made at once.
pub(crate) const TILE_LINES: usize = 2;

/// Activations of 16 bits, taken apart: the bytes of a tile, row by row.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct Planes {
    /// The upper bytes, signed.
    pub(crate) high: [[[u8; 4]; TILE_WORDS]; TILE_ROWS],
    /// The lower bytes, without a sign.
    pub(crate) low: [[[u8; 4]; TILE_WORDS]; TILE_ROWS],
}

impl Planes {
    pub(crate) const ZEROS: Self =
        Self { high: [[[0; 4]; TILE_WORDS]; TILE_ROWS], low: [[[0; 4]; TILE_WORDS]; TILE_ROWS] };
}

/// Sums of products of weights and upper or lower bytes: for each line of weights and row, one of each column.
#[repr(C, align(64))]
pub(crate) struct Sums {
    pub(crate) high: [[Line<u32>; TILE_ROWS]; TILE_LINES],
    pub(crate) low: [[Line<u32>; TILE_ROWS]; TILE_LINES],
}

impl Sums {
    pub(crate) const ZEROS: Self = Self {
        high: [[Line([0; LANES]); TILE_ROWS]; TILE_LINES],
        low: [[Line([0; LANES]); TILE_ROWS]; TILE_LINES],
    };
}

thread_local! {
    /// Whether the tiles of this thread are in use.
    static IN_USE: Cell<bool> = const { Cell::new(false) };
}

/// The proof that this processor has AMX for bytes, and that the kernel lets this process use it.
#[derive(Clone, Copy)]
pub(crate) struct Amx(());

impl Amx {
    pub(super) fn detect() -> Option<Self> {
        static FOUND: LazyLock<bool> = LazyLock::new(|| {
            const TILE_AND_INT8: u32 = 1 << 24 | 1 << 25;
            let has_both = is_x86_feature_detected!("avx512f")
                && __cpuid_count(7, 0).edx & TILE_AND_INT8 == TILE_AND_INT8;
            has_both && ask_for_tiles()
        });
        FOUND.then_some(Self(()))
    }

    /// Calls `run` with tiles of 16 rows of 64 bytes each.
    ///
    /// # Panics
    /// If `run` calls this again: the inner call would release the tiles of the outer one.
    pub(crate) fn with_tiles<R>(self, run: impl FnOnce(&Tiles) -> R) -> R {
        /// Gives the tiles back, whatever happens: a thread that has some takes longer to switch to.
        struct Release;
        impl Drop for Release {
            fn drop(&mut self) {
                // SAFETY: a value is made below only, where `Amx` proves that the instruction is there; no `Tiles`
                // are left that rely on the configuration.
                unsafe {
                    asm!("tilerelease",
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack, nomem, preserves_flags));
                }
                IN_USE.set(false);
            }
        }

        #[repr(C, align(64))]
        struct Configuration {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            bytes: [u16; 16],
            rows: [u8; 16],
        }
        static CONFIGURATION: Configuration = {
            let mut configuration =
                Configuration { palette: 1, start_row: 0, reserved: [0; 14], bytes: [0; 16], rows: [0; 16] };
            let mut tile = 0;
            while tile < 8 {
                configuration.bytes[tile] = TILE_BYTES as u16;
                configuration.rows[tile] = TILE_ROWS as u8;
                tile += 1;
            }
            configuration
        };
        assert!(!IN_USE.replace(true), "the tiles of this thread are in use");
        // SAFETY: `self` proves that the instruction is there; it reads the 64 bytes of the configuration, which is
        // valid: palette 1 has eight tiles of up to 16 rows of 64 bytes.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly, preserves_flags));
        }
        let _release = Release;
        run(&Tiles(PhantomData))
    }
}

/// The proof that this thread has its tiles, which no other thread can be given.
pub(crate) struct Tiles(PhantomData<*mut ()>);

impl Tiles {
    /// Multiplies activations with as many weights of 32 columns.
    ///
    /// # Panics
    /// If there are no weights, or others than [`TILE_WORDS`] for each of the planes.
    #[inline(always)]
    pub(crate) fn multiply(&self, weights: &[[Line<u32>; TILE_LINES]], planes: &[Planes], sums: &mut Sums) {
        assert!(!planes.is_empty() && weights.len() == planes.len() * TILE_WORDS);
        // SAFETY: `self` proves that this thread's tiles are configured. Each turn reads one of the planes, 2048
        // bytes, and 16 words of weights of 32 columns, 2048 bytes as well; there are as many of both as turns, as
        // asserted. The four parts of the sums are written, 1024 bytes each.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{planes} + {row}]",
                "tileloadd tmm5, [{planes} + {row} + 1024]",
                "tileloadd tmm6, [{weights} + {word}]",
                "tileloadd tmm7, [{weights} + {word} + 64]",
                "tdpbsud tmm0, tmm4, tmm6",
                "tdpbsud tmm1, tmm4, tmm7",
                "tdpbuud tmm2, tmm5, tmm6",
                "tdpbuud tmm3, tmm5, tmm7",
                "add {planes}, 2048",
                "add {weights}, 2048",
                "dec {turns}",
                "jnz 2b",
                "tilestored [{sums} + {row}], tmm0",
                "tilestored [{sums} + {row} + 1024], tmm1",
                "tilestored [{sums} + {row} + 2048], tmm2",
                "tilestored [{sums} + {row} + 3072], tmm3",
                planes = inout(reg) planes.as_ptr() => _,
                weights = inout(reg) weights.as_ptr() => _,
                turns = inout(reg) planes.len() => _,
                sums = in(reg) &raw mut *sums,
                row = in(reg) TILE_BYTES,
                word = in(reg) TILE_LINES * size_of::<Line<u32>>(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

/// Asks the kernel for the state of the tiles, which is larger than a process has by itself.
fn ask_for_tiles() -> bool {
    const REQUEST_PERMISSION: usize = 0x1023; // ARCH_REQ_XCOMP_PERM
    const TILE_DATA: usize = 18;
    // SAFETY: this system call takes two numbers and touches no memory; a kernel that does not know it returns an
    // error.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second call within the first one panics; after that the tiles are free again.
    #[test]
    fn tiles_are_given_once_at_a_time() {
        let Some(amx) = Amx::detect() else {
            eprintln!("no AMX here: not tested");
            return;
        };
        assert!(std::panic::catch_unwind(|| amx.with_tiles(|_| amx.with_tiles(|_| ()))).is_err());
        assert_eq!(amx.with_tiles(|_| 1), 1);
    }

    /// Two tiles deep, against the sums one after the other; in numbers of both ends.
    #[test]
    fn products_are_those_of_all_bytes() {
        let Some(amx) = Amx::detect() else {
            eprintln!("no AMX here: not tested");
            return;
        };
        let mut planes = vec![Planes::ZEROS; 2];
        let mut weights = vec![[Line([0_u32; LANES]); TILE_LINES]; 2 * TILE_WORDS];
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()
        };
        for plane in &mut planes {
            plane.high.as_flattened_mut().iter_mut().for_each(|bytes| *bytes = random());
            plane.low.as_flattened_mut().iter_mut().for_each(|bytes| *bytes = random());
        }
        weights.as_flattened_mut().iter_mut().flat_map(|line| &mut line.0).for_each(|word| {
            *word = u32::from_le_bytes(random());
        });
        let mut sums = Sums::ZEROS;
        amx.with_tiles(|tiles| tiles.multiply(&weights, &planes, &mut sums));
        for line in 0..TILE_LINES {
            for row in 0..TILE_ROWS {
                for column in 0..LANES {
                    let (mut high, mut low) = (0_i32, 0_i32);
                    for place in 0..2 * TILE_WORDS {
                        let (plane, word) = (&planes[place / TILE_WORDS], place % TILE_WORDS);
                        let weights = weights[place][line].0[column].to_le_bytes();
                        for (i, weight) in weights.into_iter().enumerate() {
                            high += i32::from(plane.high[row][word][i] as i8) * i32::from(weight);
                            low += i32::from(plane.low[row][word][i]) * i32::from(weight);
                        }
                    }
                    assert_eq!(
                        sums.high[line][row].0[column] as i32, high,
                        "line {line} row {row} column {column}"
                    );
                    assert_eq!(
                        sums.low[line][row].0[column] as i32, low,
                        "line {line} row {row} column {column}"
                    );
                }
            }
        }
    }
}
