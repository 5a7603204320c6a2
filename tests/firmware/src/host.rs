//! Semihosting: lines of text to the host, and the program's end.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use cortex_m_semihosting::{debug, hio};

/// Prints a line.
pub fn print(line: fmt::Arguments<'_>) {
    if let Ok(mut out) = hio::hstdout() {
        let _ = out.write_fmt(line);
        let _ = out.write_str("\n");
    }
}

/// Ends the program: 0 on the host if all is well, else 1.
pub fn exit(ok: bool) -> ! {
    debug::exit(if ok { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    print(format_args!("{info}"));
    exit(false)
}
