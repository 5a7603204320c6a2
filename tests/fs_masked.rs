//! The same files where the kernel is asked for less: nothing tried on the spot, no file calls in the ring.
//!
//! One test, because the mask is this process's environment.

#[path = "fs/file.rs"]
mod file;
#[path = "fs/folder.rs"]
mod folder;
#[path = "fs/names.rs"]
mod names;
#[path = "fs/whole.rs"]
mod whole;

use ouzel_tests::on_each_driver;

#[test]
fn files_work_without_what_the_kernel_may_lack() {
    for mask in ["inline_files", "file_calls"] {
        // SAFETY: the test's thread is the only one that runs code of ours.
        unsafe { std::env::set_var("OUZEL_URING_MASK", mask) };
        on_each_driver(1, whole::each_size_comes_back_whole);
        on_each_driver(1, whole::files_out_of_memory_come_back_whole);
        on_each_driver(1, whole::what_is_no_plain_file_is_read_or_refused);
        on_each_driver(1, whole::a_fifo_is_read_until_its_writer_is_done);
        on_each_driver(1, whole::a_file_that_changes_is_never_a_mixture);
        on_each_driver(1, whole::warm_reads_let_other_tasks_run);
        on_each_driver(1, whole::dropped_reads_leave_nothing_behind);
        on_each_driver(1, file::bytes_go_to_their_offsets_and_come_from_there);
        on_each_driver(1, file::what_is_in_memory_is_had_on_the_spot);
        on_each_driver(1, file::a_long_transfer_goes_in_parts);
        on_each_driver(1, file::a_read_that_waits_is_dropped);
        on_each_driver(1, file::a_dropped_open_leaves_no_descriptor);
        on_each_driver(1, file::many_transfers_are_in_flight_at_once);
        on_each_driver(1, file::the_position_moves_with_reads_and_writes);
        on_each_driver(1, file::several_buffers_are_one_transfer);
        on_each_driver(1, file::lengths_status_permissions_and_syncs);
        on_each_driver(1, file::opening_keeps_to_the_options);
        on_each_driver(1, file::files_go_to_std_and_back_and_are_closed);
        on_each_driver(1, names::names_are_made_changed_and_removed);
        on_each_driver(1, names::a_directory_is_read_in_batches);
    }
}
