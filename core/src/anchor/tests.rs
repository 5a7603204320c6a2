use core::ptr;

use super::*;

#[test]
fn a_closed_anchor_cannot_be_pinned() {
    let table = AnchorTable::<2>::default();
    let mut target = 7_u32;
    let id = table.open((&raw mut target).cast()).unwrap();
    let pin = table.pin(id).unwrap();
    assert_eq!(pin.target(), (&raw mut target).cast());
    drop(pin);
    assert!(table.close(id));
    assert!(table.pin(id).is_none());
    assert!(!table.close(id), "closed already");
}

#[test]
fn an_entry_is_used_again_under_another_id() {
    let table: AnchorTable<1> = AnchorTable::new();
    let first = table.open(ptr::null_mut()).unwrap();
    assert!(table.open(ptr::null_mut()).is_none(), "full");
    assert!(table.close(first));
    let second = table.open(ptr::null_mut()).unwrap();
    assert_ne!(first, second);
    assert!(table.pin(first).is_none());
    assert!(!table.close(first));
    assert!(table.pin(second).is_some());
}

#[test]
fn any_number_may_be_looked_up() {
    let table: AnchorTable<3> = AnchorTable::new();
    let id = table.open(ptr::null_mut()).unwrap();
    for forged in (0..2000).chain([u32::MAX, u32::MAX - 255, 1 << 31]).map(AnchorId) {
        assert_eq!(table.pin(forged).is_some(), forged == id, "{forged:?}");
        assert!(forged == id || !table.close(forged), "{forged:?}");
    }
}

#[test]
fn an_entry_retires_after_its_last_generation() {
    let table: AnchorTable<1> = AnchorTable::new();
    table.anchors[0].word.store(FREE | (LAST_GENERATION << GENERATION_SHIFT), Ordering::Relaxed);
    let last = table.open(ptr::null_mut()).unwrap();
    assert!(table.close(last));
    assert!(table.open(ptr::null_mut()).is_none());
}

#[test]
fn close_waits_for_pins() {
    let table: AnchorTable<1> = AnchorTable::new();
    let id = table.open(ptr::null_mut()).unwrap();
    let pin = table.pin(id).unwrap();
    std::thread::scope(|scope| {
        let closer = scope.spawn(|| table.close(id));
        while table.pin(id).is_some() {
            std::thread::yield_now();
        }
        assert!(!closer.is_finished());
        drop(pin);
        assert!(closer.join().unwrap());
    });
}
