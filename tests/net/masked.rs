//! The same sockets on io_uring where the kernel has less: all other tests of this binary again, with one thing after the
//! other masked. The mask is an environment variable, hence a process for each.

use std::process::{Command, Stdio};

use ouzel::Driver;
use ouzel_tests::{ONE_DRIVER, drivers};

const MASKS: [&str; 6] =
    ["recv_multi", "accept_multi", "link_timeout", "futex_wait", "defer_taskrun", "send_zc,splice"];

#[test]
fn sockets_work_without_what_the_kernel_may_lack() {
    if std::env::var_os(ONE_DRIVER).is_some() || !drivers().contains(&Driver::Uring) {
        return;
    }
    // They mostly wait: at once, then.
    let begin = |mask| {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.env(ONE_DRIVER, "uring").env("OUZEL_URING_MASK", mask).args(["--skip", "masked::"]);
        (mask, again.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    };
    for (mask, child) in MASKS.map(begin) {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "without {mask}: {text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(" passed"), "without {mask} nothing ran: {text}");
    }
}
