//! The slab against a model that cannot be wrong: a list of the cells that are out.

use alloc::vec::Vec;
use core::ptr::NonNull;
use std::collections::HashMap;

use proptest::prelude::*;

use super::free;
use crate::task::chunk::{CLASS_BYTES, Chunk};
use crate::task::header::Header;
use crate::task::state::After;
use crate::task::testing::Rig;
use crate::task::{TaskId, TaskState};

#[derive(Clone, Debug)]
enum Op {
    Alloc(usize),
    /// A cell that is out, by a number to be taken modulo how many there are; and on which side of the slab.
    Free(usize, Side),
    Export(usize),
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Owner,
    Stranger,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let side = prop_oneof![Just(Side::Owner), Just(Side::Stranger)];
    let op = prop_oneof![
        3 => (0..CLASS_BYTES.len()).prop_map(Op::Alloc),
        2 => (any::<usize>(), side).prop_map(|(i, side)| Op::Free(i, side)),
        1 => any::<usize>().prop_map(Op::Export),
    ];
    proptest::collection::vec(op, 1..300)
}

/// A cell that is out, as the model knows it.
struct Out {
    cell: NonNull<Header>,
    class: usize,
    id: Option<TaskId>,
}

fn give(rig: &Rig, out: &Out, side: Side) {
    // SAFETY: the model holds the cell's only reference.
    let after = unsafe { out.cell.as_ref() }.state.drop_ref();
    assert_eq!(after, After::Free);
    // SAFETY: the guard goes before the slab.
    let _entered = matches!(side, Side::Owner).then(|| unsafe { rig.slab.enter() });
    // SAFETY: as the word says.
    unsafe { free(out.cell) };
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_as_a_list_of_cells(ops in ops()) {
        let rig = Rig::new();
        let mut out: Vec<Out> = Vec::new();
        let mut stale: Vec<TaskId> = Vec::new();
        // Where cells that are out lie: each line of memory belongs to one of them.
        let mut lines: HashMap<usize, usize> = HashMap::new();
        // By class: the most cells that were out, and the cells of a chunk.
        let mut peak = [0_usize; CLASS_BYTES.len()];
        let mut cells = [1_usize; CLASS_BYTES.len()];
        for (turn, op) in ops.into_iter().enumerate() {
            match op {
                Op::Alloc(class) => {
                    let cell = rig.slab.alloc(class).unwrap();
                    // SAFETY: fresh from the slab.
                    let header = unsafe { cell.as_ref() };
                    header.state.spawn(false);
                    cells[class] = Chunk { at: cell.cast(), class }.cells() as usize;
                    let at = cell.as_ptr().addr();
                    for line in (at..at + CLASS_BYTES[class]).step_by(64) {
                        prop_assert_eq!(lines.insert(line, at), None, "two cells share a line");
                    }
                    out.push(Out { cell, class, id: None });
                    let now = out.iter().filter(|o| o.class == class).count();
                    peak[class] = peak[class].max(now);
                }
                Op::Free(i, side) if !out.is_empty() => {
                    let gone = out.swap_remove(i % out.len());
                    let at = gone.cell.as_ptr().addr();
                    lines.retain(|_, cell| *cell != at);
                    stale.extend(gone.id);
                    give(&rig, &gone, side);
                }
                Op::Export(i) if !out.is_empty() => {
                    let i = i % out.len();
                    let id = TaskId::export(out[i].cell);
                    prop_assert_eq!(out[i].id.unwrap_or(id), id, "a task has one id");
                    out[i].id = Some(id);
                }
                Op::Free(..) | Op::Export(_) => {}
            }
            // A walk over every cell there is: not at each step.
            if turn % 32 == 0 {
                prop_assert_eq!(rig.owned.live(), out.len());
            }
            for id in &stale {
                prop_assert_eq!(rig.owned.state(*id), TaskState::Stale);
            }
            for id in out.iter().filter_map(|o| o.id) {
                prop_assert_eq!(rig.owned.state(id), TaskState::Scheduled);
            }
        }
        // What was given back is used again, from whichever side it came: no more chunks than the peaks need.
        let needed: usize = peak.iter().zip(cells).map(|(peak, cells)| peak.div_ceil(cells)).sum();
        prop_assert!(rig.owned.table().len() as usize <= needed, "memory beyond the peak");
        for gone in out {
            give(&rig, &gone, Side::Stranger);
        }
        rig.assert_empty();
    }
}
