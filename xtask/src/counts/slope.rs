//! The cost of one operation, from two runs with different numbers of them: start-up and first use of memory cancel.

/// What one operation adds, if `counts` are the costs of so many operations.
pub(super) fn slope(counts: [u64; 2], operations: [u64; 2]) -> f64 {
    (counts[1] as f64 - counts[0] as f64) / (operations[1] - operations[0]) as f64
}

/// The words of a command line.
pub(super) fn words(line: &str) -> Vec<String> {
    line.split(' ').map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_up_cancels() {
        let start = 5_000_000;
        assert_eq!(slope([start + 250 * 10, start + 250 * 30], [10, 30]), 250.0);
    }
}
