//! Which ABI this is, and the names of drivers.

use core::ffi::{CStr, c_char};

use crate::error::{Error, OUZEL_OK};
use crate::options;

/// `OUZEL_ABI_VERSION`: major in the upper half, minor in the lower.
pub const OUZEL_ABI_VERSION: u32 = 0x0000_0001;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a NUL inside the version"),
};

/// The library's ABI version. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_abi_version() -> u32 {
    OUZEL_ABI_VERSION
}

/// The library's version. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_version_string() -> *const c_char {
    VERSION.as_ptr()
}

/// Whether a program built with this header may use the library. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_check_abi(header_version: u32) -> i32 {
    let same_major = header_version >> 16 == OUZEL_ABI_VERSION >> 16;
    if same_major && header_version <= OUZEL_ABI_VERSION { OUZEL_OK } else { Error::VERSION.0 }
}

/// A driver's name. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_driver_name(driver: u32) -> *const c_char {
    let name = match driver {
        options::OUZEL_DRIVER_AUTO => c"auto",
        options::OUZEL_DRIVER_URING => c"uring",
        options::OUZEL_DRIVER_EPOLL => c"epoll",
        options::OUZEL_DRIVER_POLL => c"poll",
        _ => c"?",
    };
    name.as_ptr()
}
