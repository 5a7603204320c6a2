//! Operations with more than one completion.

use super::*;

#[test]
fn loom_op_multishot_past_full_against_holder() {
    model("op_multishot_past_full_against_holder", Some(3), || {
        let owner = Owner::new(Flavour::Shared);
        let mut handle = owner.submit((), Request::RecvMulti { fd: 0 });
        let key = handle.key();
        let holder = thread::spawn(move || {
            let mut seen = Vec::new();
            while let Some(c) = block_on(poll_fn(|cx| handle.poll_next(cx))) {
                seen.push(c.res);
            }
            seen
        });
        for res in 0..4 {
            let _ = owner.complete(key, Completion { res, flags: Completion::MORE });
        }
        let _ = owner.done(key, 4);
        assert_eq!(holder.join().unwrap(), [0, 1, 2, 3, 4]);
        owner.wind_down();
        owner.use_again();
        owner.slab.close();
    });
}

#[test]
fn loom_op_multishot_wake_against_poll() {
    model("op_multishot_wake_against_poll", None, || {
        let owner = Owner::new(Flavour::Shared);
        let mut handle = owner.submit((), Request::RecvMulti { fd: 0 });
        let key = handle.key();
        let holder = thread::spawn(move || {
            // Nothing else comes until it has seen this one: a lost wake is a deadlock.
            let first = block_on(poll_fn(|cx| handle.poll_next(cx)));
            assert_eq!(first.unwrap().res, 1);
        });
        let _ = owner.complete(key, Completion { res: 1, flags: Completion::MORE });
        owner.wind_down();
        holder.join().unwrap();
        owner.slab.close();
    });
}

#[test]
fn loom_op_multishot_wake_against_wait() {
    model("op_multishot_wake_against_wait", Some(3), || {
        let owner = Owner::new(Flavour::Shared);
        let mut handle = owner.submit((), Request::RecvMulti { fd: 0 });
        let key = handle.key();
        let holder = thread::spawn(move || {
            let mut last = 0;
            // Told that it waits, it does not look again: a lost wake is a deadlock.
            block_on(poll_fn(|cx| {
                while last < 2 {
                    let Poll::Ready(step) = handle.poll_step(cx) else { return Poll::Pending };
                    let (c, waits) = step.unwrap();
                    assert_eq!(c.res, last + 1);
                    last = c.res;
                    if last < 2 && waits {
                        return Poll::Pending;
                    }
                }
                Poll::Ready(())
            }));
        });
        for res in [1, 2] {
            let _ = owner.complete(key, Completion { res, flags: Completion::MORE });
        }
        owner.wind_down();
        holder.join().unwrap();
        owner.slab.close();
    });
}

#[test]
fn loom_op_multishot_drop_with_leftovers() {
    model("op_multishot_drop_with_leftovers", Some(3), || {
        let owner = Owner::new(Flavour::Shared);
        let mut handle = owner.submit((), Request::RecvMulti { fd: 0 });
        let key = handle.key();
        let holder = thread::spawn(move || {
            let first = handle.poll_next(&mut Context::from_waker(Waker::noop()));
            drop(handle);
            first
        });
        let mut back = Vec::new();
        for id in 0..4 {
            let c = Completion::in_buffer(1, id, id < 3);
            if let AfterComplete::Orphaned(_) = owner.complete(key, c) {
                back.push(id);
            }
        }
        owner.wind_down();
        if let Poll::Ready(Some(c)) = holder.join().unwrap() {
            back.push(c.buffer().unwrap());
        }
        owner.wind_down();
        owner.slab.take_unclaimed(|_, c| back.push(c.buffer().unwrap()));
        back.sort_unstable();
        assert_eq!(back, [0, 1, 2, 3], "each buffer comes back once");
        owner.use_again();
        owner.slab.close();
    });
}
