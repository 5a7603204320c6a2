//! One suite for both drivers, and for io_uring with each feature taken away.

#![expect(clippy::multiple_unsafe_ops_per_block, reason = "set-up calls of tests come in pairs")]

mod calls;
mod copies;
mod files;
mod life;
mod limits;
mod listening;
mod messages;
mod only;
mod parking;
mod ready;
mod rig;
mod sockets;
mod splice;
mod streams;
mod zero_copy;

use ouzel_os_linux::{DriverConfig, Mask};
use rig::Kind;

macro_rules! suite {
    ($($kind:ident = $make:expr;)*) => {
        $(mod $kind {
            cases! { super::$kind;
                sockets::nop_completes,
                sockets::recv_takes_what_is_there,
                sockets::recv_waits_for_data,
                sockets::recv_finds_the_end_behind_a_short_read,
                sockets::recv_is_cancelled_in_flight,
                sockets::a_cancel_after_the_end_does_nothing,
                sockets::operations_on_one_descriptor_complete_in_order,
                sockets::a_bad_descriptor_is_an_error,
                sockets::recv_reports_a_reset,
                sockets::accept_waits_and_makes_a_private_socket,
                sockets::connect_succeeds_or_is_refused,
                sockets::connect_waits_for_a_full_backlog,
                sockets::send_sends_everything_to_a_slow_reader,
                sockets::send_to_a_full_buffer_is_cancelled_or_breaks,
                sockets::shutdown_ends_the_stream,
                life::a_descriptor_number_is_used_again,
                life::a_number_closed_elsewhere_is_used_again,
                life::shutdown_of_the_driver_cancels_everything,
                life::a_busy_connection_does_not_starve_another,
                life::an_operation_of_any_generation_completes,
                sockets::done_at_once_needs_no_wait,
                parking::a_deadline_ends_the_wait,
                parking::a_short_deadline_is_kept_precisely,
                parking::an_earlier_deadline_after_a_later_one,
                parking::an_unpark_before_the_park_is_not_lost,
                parking::an_unpark_between_begin_and_wait_is_not_lost,
                parking::an_unpark_ends_a_park,
                parking::unparks_from_many_threads,
                parking::an_unpark_works_after_wakes_by_io,
                parking::an_unparker_outlives_its_driver,
                parking::a_host_sees_io_and_unparks_on_one_descriptor,
                streams::recv_multi_delivers_each_message,
                streams::recv_multi_delivers_a_long_stream,
                streams::recv_multi_ends_without_buffers_and_loses_nothing,
                streams::recv_multi_goes_on_while_there_are_buffers,
                streams::a_lone_stream_keeps_to_a_few_buffers,
                streams::a_receive_cancelled_as_the_buffers_run_out_ends,
                streams::recv_multi_is_cancelled,
                streams::many_streams_share_the_buffers,
                streams::a_lazy_send_arrives_and_completes,
                streams::a_lazy_send_nobody_waits_for_does_not_end_the_wait,
                streams::a_lazy_send_that_is_waited_for_is_reported_at_once,
                streams::lazy_sends_under_back_pressure_lose_nothing,
                streams::a_lazy_send_fails_like_any_other,
                streams::many_lazy_sends_through_a_small_ring,
                streams::lazy_and_other_sends_keep_their_order,
                streams::a_host_that_waits_itself_sends_lazily,
                streams::the_end_makes_the_lazy_sends_there_is_room_for,
                copies::a_copy_leaves_with_the_next_look,
                copies::copies_and_operations_keep_their_order,
                copies::copies_to_many_slow_readers_through_a_small_ring,
                copies::what_is_sent_behind_a_rest_waits_for_it,
                copies::an_end_goes_behind_a_rest,
                copies::a_close_drops_what_found_no_room,
                copies::what_keeps_a_descriptor_is_dropped_when_its_copy_is_over,
                copies::a_copy_that_was_just_taken_leaves_before_a_close,
                copies::the_failure_of_a_copy_is_told_once,
                copies::the_end_sends_copies_and_drops_rests,
                parking::a_wait_after_a_burst_lasts,
                messages::a_message_tells_its_sender_and_fills_the_parts_in_order,
                messages::a_receive_of_a_message_is_cancelled_in_flight,
                messages::a_message_waits_for_room_and_is_cancelled_there,
                messages::a_message_on_a_stream_takes_what_there_is_room_for,
                messages::messages_fail_with_the_systems_error,
                listening::accept_multi_gives_each_connection_once,
                listening::accept_multi_is_cancelled_and_takes_nothing_after,
                listening::accept_multi_fails_where_nobody_can_listen,
                listening::accept_multi_works_on_a_listener_in_non_blocking_mode,
                ready::a_poll_tells_readiness_as_long_as_it_holds,
                ready::a_poll_for_room_waits_until_there_is_some,
                ready::a_poll_is_cancelled_in_flight,
                ready::a_poll_of_nothing_fails_and_of_a_file_is_done,
                ready::a_poll_shares_its_descriptor_with_a_receive,
                files::a_file_is_written_and_read_back,
                files::a_pipe_in_blocking_mode_waits,
                files::a_pipe_in_non_blocking_mode_waits,
                files::a_read_of_a_pipe_is_cancelled,
                calls::a_status_is_that_of_the_path_the_link_or_the_descriptor,
                calls::a_file_is_given_blocks_and_cut_off,
                calls::names_are_made_changed_and_removed,
                calls::a_cancelled_file_call_was_made_or_was_not,
                calls::file_calls_are_the_rings_or_block,
                calls::several_places_are_written_and_read_in_order,
                calls::a_vectored_read_of_a_pipe_waits_and_is_cancelled,
                splice::a_splice_waits_for_bytes_and_tells_the_end,
                splice::a_splice_waits_for_room,
                splice::a_splice_is_cancelled_in_flight_and_takes_nothing,
                splice::a_splice_without_a_pipe_or_a_descriptor_fails,
                splice::a_file_is_spliced_at_an_offset,
                zero_copy::a_send_without_a_copy_sends_everything_to_a_slow_reader,
                zero_copy::a_send_without_a_copy_to_a_socket_that_knows_none_is_copied,
                zero_copy::a_send_without_a_copy_is_cancelled_in_flight,
                zero_copy::a_send_without_a_copy_fails_like_any_other,
            }

            #[test]
            fn a_thousand_operations_through_a_small_ring() {
                let config = crate::DriverConfig { entries: 8, ..crate::DriverConfig::default() };
                let test = crate::life::a_thousand_operations_through_a_small_ring;
                crate::rig::run_with(super::$kind(), config, test);
            }

            #[test]
            fn completions_beyond_the_queue_are_not_lost() {
                let config = crate::DriverConfig { entries: 2, ..crate::DriverConfig::default() };
                let test = crate::life::completions_beyond_the_queue_are_not_lost;
                crate::rig::run_with(super::$kind(), config, test);
            }
        }

        fn $kind() -> Kind {
            $make
        })*
    };
}

macro_rules! cases {
    ($kind:path; $($module:ident::$case:ident,)*) => {
        $(#[test]
        fn $case() {
            crate::rig::run($kind(), crate::$module::$case);
        })*
    };
}

suite! {
    uring = Kind::Uring(Mask::NONE);
    uring_eventfd = Kind::Uring(Mask::FUTEX_WAIT.and(Mask::RING_FD).and(Mask::NO_IOWAIT));
    uring_no_task_flags = Kind::Uring(SET_UP);
    uring_no_multishot = Kind::Uring(Mask::ACCEPT_MULTI.and(Mask::RECV_MULTI));
    uring_no_provided_buffers = Kind::Uring(Mask::RECV_MULTI);
    uring_no_defer_taskrun = Kind::Uring(Mask::DEFER_TASKRUN);
    uring_no_linked_timeout = Kind::Uring(Mask::LINK_TIMEOUT);
    uring_no_zero_copy = Kind::Uring(Mask::SEND_ZC.and(Mask::SPLICE));
    uring_6_1 = Kind::Uring(Mask::COOP_TASKRUN.and(Mask::NO_SQARRAY).and(Mask::ABS_TIMER));
    uring_oldest = Kind::Uring(Mask(!Mask::URING.0));
    epoll = Kind::Epoll(Mask::NONE);
    epoll_oldest = Kind::Epoll(Mask(u32::MAX));
}

const SET_UP: Mask = Mask::SINGLE_ISSUER.and(Mask::COOP_TASKRUN).and(Mask::SUBMIT_ALL).and(Mask::NO_SQARRAY);
