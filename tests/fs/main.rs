//! Files through the facade, on every driver and flavour.

mod copy;
mod faults;
mod file;
mod folder;
mod names;
mod whole;

use ouzel_tests::on_each;

macro_rules! tests {
    ($($module:ident::$case:ident,)*) => {$(
        #[test]
        fn $case() {
            on_each($module::$case);
        }
    )*};
}

tests! {
    faults::a_device_without_room_says_so,
    faults::a_read_that_fails_gives_its_buffer_back,
    whole::each_size_comes_back_whole,
    whole::files_out_of_memory_come_back_whole,
    whole::what_is_no_plain_file_is_read_or_refused,
    whole::a_fifo_is_read_until_its_writer_is_done,
    whole::a_file_that_changes_is_never_a_mixture,
    whole::warm_reads_let_other_tasks_run,
    whole::dropped_reads_leave_nothing_behind,
    file::bytes_go_to_their_offsets_and_come_from_there,
    file::what_is_in_memory_is_had_on_the_spot,
    file::a_long_transfer_goes_in_parts,
    file::a_read_that_waits_is_dropped,
    file::a_dropped_open_leaves_no_descriptor,
    file::many_transfers_are_in_flight_at_once,
    file::the_position_moves_with_reads_and_writes,
    file::several_buffers_are_one_transfer,
    file::lengths_status_permissions_and_syncs,
    file::opening_keeps_to_the_options,
    file::files_go_to_std_and_back_and_are_closed,
    names::names_are_made_changed_and_removed,
    names::a_directory_is_read_in_batches,
    copy::a_copy_has_the_bytes_and_the_permissions,
    copy::a_copy_of_what_tells_no_length_is_whole,
    copy::a_copy_that_cannot_be_made_says_why,
}

#[test]
fn futures_may_move_to_other_threads() {
    fn assert_send(_: &impl Send) {}
    assert_send(&ouzel::fs::read("x"));
    assert_send(&ouzel::fs::write("x", "y"));
    assert_send(&ouzel::fs::metadata("x"));
    assert_send(&ouzel::fs::rename("x", "y"));
    assert_send(&ouzel::fs::read_dir("x"));
    assert_send(&ouzel::fs::File::open("x"));
    let file = ouzel::fs::File::from_std(std::fs::File::open("/dev/null").unwrap());
    assert_send(&file.read_at(Vec::new(), 0));
    assert_send(&file.read_vectored_at(vec![Vec::new()], 0));
    assert_send(&file.metadata());
    assert_send(&file.close());
}

#[test]
fn outside_of_a_runtime_there_is_an_error() {
    let poll = |future: &mut (dyn Future<Output = bool> + Unpin)| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(future).poll(&mut cx)
    };
    let failed = std::task::Poll::Ready(true);
    let none = "/nowhere/to/be/found";
    assert_eq!(poll(&mut Box::pin(async { ouzel::fs::read(none).await.is_err() })), failed);
    assert_eq!(poll(&mut Box::pin(async { ouzel::fs::metadata("/").await.is_err() })), failed);
    assert_eq!(poll(&mut Box::pin(async { ouzel::fs::read_dir("/").await.is_err() })), failed);
}
