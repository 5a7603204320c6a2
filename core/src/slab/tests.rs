//! The slab on its own, with cells that hold no task.

use alloc::vec::Vec;
use core::ptr::NonNull;
use std::collections::HashSet;

use super::{SharedSlab, free};
use crate::config::CHUNK_BYTES;
use crate::sync::Ordering;
use crate::task::chunk::{CLASS_BYTES, Chunk, chunk_of, class_of};
use crate::task::header::Header;
use crate::task::state::{EXPORTED, GENERATION_MAX};
use crate::task::testing::Rig;

fn take(rig: &Rig, class: usize) -> NonNull<Header> {
    let cell = rig.slab.alloc(class).unwrap();
    // SAFETY: fresh from the slab.
    unsafe { cell.as_ref() }.state.spawn(false);
    cell
}

fn give(cell: NonNull<Header>) {
    // SAFETY: the test holds its only reference.
    let after = unsafe { cell.as_ref() }.state.drop_ref();
    assert_eq!(after, crate::task::state::After::Free);
    // SAFETY: as the word says.
    unsafe { free(cell) };
}

#[test]
fn classes_fit_and_are_whole_lines() {
    assert!(CLASS_BYTES.iter().all(|b| b % 64 == 0));
    for bytes in 1..=2048 {
        let class = class_of(bytes);
        assert!(CLASS_BYTES[class] >= bytes && (class == 0 || CLASS_BYTES[class - 1] < bytes));
    }
}

#[test]
fn cells_do_not_overlap_and_know_their_chunk() {
    let rig = Rig::new();
    let mut seen = HashSet::new();
    for (class, bytes) in CLASS_BYTES.into_iter().enumerate() {
        for _ in 0..2500 {
            let cell = take(&rig, class);
            let at = cell.as_ptr().addr();
            assert_eq!(at % 64, 0);
            for line in (at..at + bytes).step_by(64) {
                assert!(seen.insert(line), "two cells share a line");
            }
            // SAFETY: the cell is out.
            let head = unsafe { chunk_of(cell).as_ref() };
            assert_eq!(head.class as usize, class);
            assert!(head.number_of(cell) < Chunk { at: chunk_of(cell).cast(), class }.cells());
        }
    }
    rig.owned.table().all(|cell| {
        // SAFETY: cells in a table stay mapped.
        if !unsafe { cell.as_ref() }.state.load(Ordering::Relaxed).is_free() {
            give(cell);
        }
        true
    });
    rig.assert_empty();
}

#[test]
fn cells_come_back_from_here_and_from_elsewhere() {
    let rig = Rig::new();
    // SAFETY: the guard goes before the slab.
    let entered = unsafe { rig.slab.enter() };
    let cell = take(&rig, 0);
    give(cell);
    assert_eq!(take(&rig, 0), cell, "the last one freed is the next one used");
    give(cell);
    let cells: Vec<usize> = (0..5000).map(|i| take(&rig, i % 3).as_ptr().expose_provenance()).collect();
    assert_eq!(rig.slab.out(), 5000);
    std::thread::scope(|s| {
        for part in cells.chunks(1250) {
            s.spawn(move || {
                for cell in part {
                    give(NonNull::new(core::ptr::with_exposed_provenance_mut(*cell)).unwrap());
                }
            });
        }
    });
    assert_eq!(rig.slab.out(), 5000, "on the remote stack");
    let before = rig.owned.table().len();
    let again: Vec<usize> = (0..5000).map(|i| take(&rig, i % 3).as_ptr().expose_provenance()).collect();
    assert!(rig.owned.table().len() <= before, "no chunk for what came back");
    assert_eq!(rig.slab.out(), 5000);
    drop(entered);
    for cell in again {
        give(NonNull::new(core::ptr::with_exposed_provenance_mut(cell)).unwrap());
    }
    rig.assert_empty();
}

#[test]
fn the_last_cell_back_ends_a_closed_slab() {
    let rig = Rig::new();
    let (a, b) = (take(&rig, 0), take(&rig, 1));
    give(a);
    let sched = alloc::sync::Arc::downgrade(&rig.queue);
    let Rig { queue, owned, slab } = rig;
    drop(slab);
    drop((queue, owned));
    assert!(sched.upgrade().is_some(), "a cell is out");
    give(b);
    assert!(sched.upgrade().is_none());
}

#[test]
fn a_shared_slab_holds_its_scheduler_until_closed() {
    let rig = Rig::new();
    let shared = SharedSlab::new();
    let cell = shared.with(|| rig.meta(), |slab| slab.unwrap().alloc(0)).unwrap();
    // SAFETY: fresh from the slab.
    unsafe { cell.as_ref() }.state.spawn(false);
    shared.close();
    shared.close();
    assert!(shared.with(|| rig.meta(), |slab| slab.is_none()));
    give(cell);
    rig.assert_empty();
}

#[test]
fn an_exported_cell_retires_instead_of_wrapping_and_others_wrap() {
    let rig = Rig::new();
    // SAFETY: the guard goes before the slab.
    let entered = unsafe { rig.slab.enter() };
    let (exported, plain) = (take(&rig, 0), take(&rig, 1));
    for (cell, flag) in [(exported, EXPORTED), (plain, 0)] {
        // SAFETY: the test holds the cell.
        let word = &unsafe { cell.as_ref() }.state.0;
        let low = word.load(Ordering::Relaxed) & 0xff_ffff_ffff;
        word.store(low | GENERATION_MAX << 40 | flag, Ordering::Relaxed);
        give(cell);
    }
    assert_ne!(take(&rig, 0), exported);
    let again = take(&rig, 1);
    assert_eq!(again, plain);
    // SAFETY: the test holds the cell.
    assert_eq!(unsafe { again.as_ref() }.state.load(Ordering::Relaxed).generation(), 0);
    drop(entered);
}

/// Takes cells of class 5 until so many chunks more are in use, and used up.
fn fill(rig: &Rig, chunks: usize) -> Vec<NonNull<Header>> {
    let mut cells = Vec::new();
    let before = rig.owned.table().bytes();
    while rig.owned.table().bytes() < before + (chunks * CHUNK_BYTES) as u64 {
        cells.push(take(rig, 5));
    }
    let per_chunk = Chunk { at: chunk_of(cells[0]).cast(), class: 5 }.cells() as usize;
    cells.extend((1..per_chunk).map(|_| take(rig, 5)));
    assert_eq!(cells.len() % per_chunk, 0, "every chunk is used up");
    cells
}

#[test]
fn a_trim_gives_back_what_is_empty_but_for_one_chunk() {
    let rig = Rig::new();
    // SAFETY: the guard goes before the slab.
    let _entered = unsafe { rig.slab.enter() };
    let bytes = || rig.owned.table().bytes() / CHUNK_BYTES as u64;
    for _ in 0..3 {
        let cells = fill(&rig, 8 - bytes() as usize);
        assert_eq!((bytes(), rig.slab.trim()), (8, 0), "nothing is empty");
        cells.into_iter().for_each(give);
        // One cell keeps its chunk; one empty one stays as a reserve.
        let kept = take(&rig, 5);
        assert_eq!(rig.slab.trim(), 6);
        assert_eq!(bytes(), 2);
        assert_eq!(rig.slab.trim(), 0, "the reserve stays");
        give(kept);
        assert_eq!(rig.slab.trim(), 1);
        assert_eq!(bytes(), 1);
        // What is in the list is in use or in the chunk that stayed.
        let again: HashSet<_> = (0..200).map(|_| take(&rig, 5)).collect();
        assert_eq!(again.len(), 200);
        again.into_iter().for_each(give);
        rig.slab.trim();
    }
    rig.assert_empty();
}

#[test]
fn a_trim_takes_in_what_was_freed_elsewhere() {
    let rig = Rig::new();
    for cell in fill(&rig, 4) {
        give(cell);
    }
    assert_eq!(rig.slab.trim(), 3);
    assert_eq!(rig.slab.out(), 0);
}

#[test]
fn a_chunk_with_a_queued_cell_is_not_given_back() {
    let rig = Rig::new();
    let cells = fill(&rig, 3);
    // SAFETY: cells in a table stay mapped.
    let remotes: Vec<_> = cells.iter().map(|cell| &unsafe { cell.as_ref() }.remote).collect();
    // In the second chunk: the one met first is the reserve and not looked at.
    let queued = cells.len() / 2;
    cells.iter().copied().for_each(give);
    remotes[queued].store(6, Ordering::Relaxed);
    assert_eq!(rig.slab.trim(), 1, "of three, one is the reserve and one has to stay");
    assert!(remotes.iter().all(|word| matches!(word.load(Ordering::Relaxed), 0 | 6)), "a seal was left");
    remotes[queued].store(0, Ordering::Relaxed);
    assert_eq!(rig.slab.trim(), 1);
    assert_eq!(rig.owned.table().bytes(), CHUNK_BYTES as u64);
}

#[test]
fn generations_go_on_after_a_trim() {
    let rig = Rig::new();
    let cells = fill(&rig, 2);
    let hot = cells[cells.len() - 1];
    // SAFETY: the test holds the cell.
    let word = &unsafe { hot.as_ref() }.state.0;
    word.fetch_or(EXPORTED | 1000 << 40, Ordering::Relaxed);
    let index = |cell: NonNull<Header>| {
        // SAFETY: the cell is out.
        unsafe { chunk_of(cell).as_ref() }.index
    };
    let hot_chunk = index(hot);
    // The last one pushed on the remote stack is the first one freed: the other chunk is met first, and stays.
    cells.iter().copied().for_each(give);
    assert_eq!(rig.slab.trim(), 1);
    assert!(rig.owned.table().get(hot_chunk).is_none());
    let again = fill(&rig, 1);
    let back: Vec<_> = again.iter().filter(|cell| index(**cell) == hot_chunk).collect();
    assert!(!back.is_empty());
    for cell in back {
        // SAFETY: the cell is out.
        let word = unsafe { cell.as_ref() }.state.load(Ordering::Relaxed);
        assert!(word.generation() > 1000 && word.has(EXPORTED), "an old id may match: {word:?}");
    }
    again.into_iter().for_each(give);
}

#[test]
fn an_exported_chunk_that_has_used_up_half_of_its_generations_stays() {
    let rig = Rig::new();
    let cells = fill(&rig, 2);
    for cell in &cells {
        // SAFETY: the test holds the cell.
        let word = &unsafe { cell.as_ref() }.state.0;
        word.fetch_or(EXPORTED | 1 << 63, Ordering::Relaxed);
    }
    cells.into_iter().for_each(give);
    assert_eq!(rig.slab.trim(), 0);
}
