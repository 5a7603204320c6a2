//! What a driver came to be: kept as it is known, put into words when somebody asks. A runtime has a driver for each worker, and
//! hardly ever is one of them asked.

use core::fmt::{self, Display, Formatter};

use crate::config::Mask;

/// What was chosen, and why: in words by [`Display`].
#[derive(Clone, Copy, Debug)]
pub struct Description(pub(crate) Chosen);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Chosen {
    Uring {
        /// Features in use.
        has: Mask,
        /// Those it may not use.
        mask: Mask,
        /// It is woken by a futex in the ring.
        futex: bool,
    },
    Epoll {
        /// There is no `epoll_pwait2`.
        timerfd: bool,
        inline_files: bool,
    },
}

impl Display for Description {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Chosen::Uring { has, mask, futex } => uring(f, has, mask, futex),
            Chosen::Epoll { timerfd, inline_files } => {
                let time = if timerfd { "timerfd (no epoll_pwait2)" } else { "epoll_pwait2" };
                let files = if inline_files { "tried inline, else pool" } else { "pool (masked)" };
                write!(f, "epoll: edge-triggered; wait by {time}; unpark by eventfd; files {files}")
            }
        }
    }
}

fn uring(f: &mut Formatter<'_>, has: Mask, mask: Mask, futex: bool) -> fmt::Result {
    f.write_str("io_uring:")?;
    for (_, name) in Mask::NAMES.iter().filter(|(feature, _)| has.has(*feature)) {
        write!(f, " {name}")?;
    }
    let unpark = if futex { "futex in the ring" } else { "eventfd" };
    write!(f, "; unpark by {unpark}; without: ")?;
    let mut separator = "";
    for (feature, name) in Mask::NAMES {
        // Epoll's, and the driver itself.
        if has.has(*feature) || [Mask::PWAIT2, Mask::URING, Mask::SHORT_READS].contains(feature) {
            continue;
        }
        let why = if mask.has(*feature) { "masked" } else { "not in this kernel" };
        write!(f, "{separator}{name} ({why})")?;
        separator = ", ";
    }
    f.write_str(if separator.is_empty() { "nothing" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_said_with_the_reason_and_nothing_if_nothing_does() {
        let all = Mask::NAMES.iter().fold(Mask::NONE, |all, (feature, _)| all.and(*feature));
        let uring = |has, mask| Description(Chosen::Uring { has, mask, futex: true }).to_string();
        assert!(uring(all, Mask::NONE).ends_with("; unpark by futex in the ring; without: nothing"));
        let without = |lost: Mask| Mask(all.0 & !lost.0);
        let told = uring(without(Mask::SPLICE.and(Mask::SEND_ZC)), Mask::SPLICE);
        assert!(told.ends_with("; without: send_zc (not in this kernel), splice (masked)"), "{told}");
        let words: Vec<&str> = told.split(';').next().unwrap_or_default().split(' ').collect();
        assert_eq!(
            (words[0], words.contains(&"recv_multi"), words.contains(&"splice")),
            ("io_uring:", true, false)
        );
        let epoll = Description(Chosen::Epoll { timerfd: true, inline_files: false }).to_string();
        assert!(
            epoll.contains("timerfd (no epoll_pwait2)") && epoll.contains("files pool (masked)"),
            "{epoll}"
        );
    }
}
