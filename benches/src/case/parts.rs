//! Splitting a number of operations into batches.

/// Splits `n` into parts of `size` and a rest.
pub(crate) fn parts(n: u64, size: u64) -> impl Iterator<Item = u64> {
    (0..n.div_ceil(size)).map(move |i| size.min(n - i * size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up() {
        assert_eq!(parts(2_500, 1_000).collect::<Vec<_>>(), [1_000, 1_000, 500]);
        assert_eq!(parts(1_000, 1_000).collect::<Vec<_>>(), [1_000]);
        assert_eq!(parts(0, 1_000).count(), 0);
    }
}
