//! Who is measured when within a round.
//!
//! What is measured leaves something behind for whatever comes next: caches full of its data, memory the system is still giving
//! back, a processor's clock. If everyone always came after the same one, as in a plain rotation, that would be part of each
//! figure, and nobody could tell.
//!
//! Here everyone has every place, and comes after every other one, equally often: E. J. Williams, Experimental Designs Balanced
//! for the Estimation of Residual Effects of Treatments, 1949.

/// The order of `count` contestants in `round`. Balanced after `count` rounds, for an odd number after twice as many.
pub(crate) fn order(round: usize, count: usize) -> Vec<usize> {
    // 0, 1, -1, 2, -2 and so on: neighbours are 1, -2, 3, -4 and so on apart, no two pairs equally far.
    let zigzag = (0..count).map(|i| if i % 2 == 1 { i.div_ceil(2) } else { count - i / 2 });
    let mut order: Vec<usize> = zigzag.map(|step| (step + round) % count).collect();
    if count % 2 == 1 && (round / count) % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::order;
    use std::collections::HashMap;

    #[test]
    fn everyone_has_every_place_and_every_predecessor_equally_often() {
        for count in 1..=13 {
            let (mut places, mut pairs) = (HashMap::new(), HashMap::new());
            for round in 0..2 * count {
                let order = order(round, count);
                order.iter().enumerate().for_each(|(i, who)| *places.entry((i, *who)).or_insert(0) += 1);
                order.windows(2).for_each(|pair| *pairs.entry((pair[0], pair[1])).or_insert(0) += 1);
            }
            assert_eq!(places.len(), count * count);
            assert!(places.values().all(|n| *n == 2), "{count}: {places:?}");
            assert_eq!(pairs.len(), count * (count - 1));
            assert!(pairs.values().all(|n| *n == 2), "{count}: {pairs:?}");
        }
    }
}
