//! View of a matrix in a slice, or of its transpose.

/// `[rows, columns]` numbers, as they are or transposed.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    numbers: &'a [f32],
    lines: usize,
    length: usize,
    stride: usize,
    /// Whether the lines are columns.
    transposed: bool,
}

impl<'a> MatrixView<'a> {
    /// A matrix whose rows lie one after the other.
    ///
    /// # Panics
    /// If the slice has another length than `rows * columns`.
    pub fn new(numbers: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(numbers.len(), rows * columns, "numbers of a matrix");
        Self::with_stride(numbers, rows, columns, columns)
    }

    /// A matrix whose rows begin `stride` numbers after each other.
    ///
    /// # Panics
    /// If the slice ends before the last row does, or rows overlap.
    pub fn with_stride(numbers: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(rows == 0 || numbers.len() >= (rows - 1) * stride + columns, "numbers of a matrix");
        assert!(columns <= stride, "rows of a matrix");
        Self { numbers, lines: rows, length: columns, stride, transposed: false }
    }

    /// The transposed matrix: `[columns, rows]`, of the same numbers.
    pub fn transpose(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// Rows of the matrix.
    pub fn rows(self) -> usize {
        if self.transposed { self.length } else { self.lines }
    }

    /// Columns of the matrix.
    pub fn columns(self) -> usize {
        if self.transposed { self.lines } else { self.length }
    }

    /// Whether numbers of a column lie one after the other, instead of those of a row.
    pub(super) fn is_transposed(self) -> bool {
        self.transposed
    }

    /// Lines in memory: rows, or columns.
    pub(super) fn lines(self) -> usize {
        self.lines
    }

    /// Numbers of a line.
    pub(super) fn length(self) -> usize {
        self.length
    }

    /// At most `count` numbers from a place of a line on; none beyond the end.
    pub(super) fn line(self, line: usize, from: usize, count: usize) -> &'a [f32] {
        if line >= self.lines || from >= self.length {
            return &[];
        }
        let start = line * self.stride;
        &self.numbers[start + from..start + self.length.min(from + count)]
    }
}
