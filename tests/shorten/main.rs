//! `ouzel-shorten FOLDER LOG PROGRAM ARGUMENTS...`: runs a program and makes every transfer of its process a short one.
//!
//! ```text
//!   the program's thread             this process
//!   ────────────────────             ────────────
//!   write(fd, buf, 1000)   stops ──► writes 17 over the 1000
//!                          ◄── goes on
//!   the kernel moves 17 bytes
//!                          stops ──► puts the 1000 back
//!   finds 17                ◄── goes on
//! ```
//!
//! `strace` can only claim another result, and then bytes are lost that the program is not to blame for. Here the
//! kernel is asked for less and does it, so every byte is accounted for. Entries of an io_uring are shortened in the
//! submission queue when the call that submits them is made.
//!
//! Shortened are transfers of more than a byte on sockets, pipes, and files in `FOLDER`; not on an eventfd, whose
//! transfers have one length, and nothing that belongs to the program's start. Its threads are traced, its child
//! processes are not. `LOG` gets a line for each kind of call: its name and how many were shortened.
//!
//! | module | what it is |
//! |---|---|
//! | [`trace`] | ptrace, and the memory of the program |
//! | [`calls`] | which calls have a length, and where |
//! | [`ring`] | the same of the entries of a ring |

#[cfg(target_arch = "x86_64")]
mod calls;
#[cfg(target_arch = "x86_64")]
mod ring;
#[cfg(target_arch = "x86_64")]
mod trace;

/// The exit status where a program cannot be traced, as opposed to one that fails.
const REFUSED: i32 = 77;

#[cfg(target_arch = "x86_64")]
fn main() {
    let mut words = std::env::args_os().skip(1);
    let (folder, log) = (words.next().expect("a folder"), words.next().expect("a log"));
    let mut program = std::process::Command::new(words.next().expect("a program"));
    program.args(words);
    let traced = match trace::Traced::start(&mut program) {
        Ok(traced) => traced,
        Err(e) => {
            eprintln!("nothing can be traced here: {e}");
            std::process::exit(REFUSED);
        }
    };
    let mut calls = calls::Calls::new(folder.into());
    let status = traced.run(&mut calls);
    std::fs::write(log, calls.told()).expect("the log is written");
    std::process::exit(status);
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    eprintln!("nothing can be traced here: the registers of this processor are not known");
    std::process::exit(REFUSED);
}
