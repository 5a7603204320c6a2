//! The provided buffers that the host has: handed out with a completion, until they are given back.
//!
//! ```text
//!   buf_id: | which loop thread's (16) | number (16) |
//! ```
//! Each loop thread's driver has buffers of its own. With workers one that was received on a worker may be read and given
//! back on another.

use ouzel::op::Lender;

use crate::cqe::{OUZEL_CQE_BUFFER, ouzel_cqe};
use crate::guarded::Guarded;
use crate::spare::Spare;

/// `OUZEL_BUF_GROUP_DEFAULT`.
pub const OUZEL_BUF_GROUP_DEFAULT: u32 = 0;

/// The buffers of one loop thread.
struct Loan {
    lender: Lender,
    /// Those that the host has: a bit each.
    out: Vec<u64>,
}

impl Loan {
    fn is_out(&self, id: u16) -> bool {
        self.out.get(usize::from(id) / 64).is_some_and(|word| word >> (id % 64) & 1 != 0)
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Buffers {
    loans: Guarded<Vec<Loan>>,
    /// Loop threads.
    threads: usize,
    /// Buffers of each.
    count: usize,
}

/// Bytes that a driver's first buffers ask for beside their own memory, and as much again.
const SPARE: usize = 4096;

fn parts(buf_id: u32) -> (usize, u16) {
    ((buf_id >> 16) as usize, buf_id as u16)
}

impl Buffers {
    /// For so many loop threads, none for the host's own, with so many buffers each.
    pub(crate) fn new(workers: u32, count: u32) -> Self {
        let loans = Guarded::new(workers == 0, Vec::new());
        Buffers { loans, threads: workers.max(1) as usize, count: count as usize }
    }

    /// The number of this thread's buffers. None: without memory for them.
    pub(crate) fn lender(&self) -> Option<u16> {
        let words = self.count.div_ceil(64);
        let is_new = self.loans.with(|loans| loans.len() < self.threads);
        let _spare = if is_new { Some(Spare::new(SPARE + words * size_of::<u64>()).ok()?) } else { None };
        let here = Lender::here()?;
        self.loans.with(|loans| {
            let known = loans.iter().position(|loan| loan.lender == here);
            let index = known.unwrap_or_else(|| {
                loans.push(Loan { lender: here, out: vec![0; words] });
                loans.len() - 1
            });
            u16::try_from(index).ok()
        })
    }

    /// Notes that a completion brings the host a buffer, and where it is.
    #[inline(always)]
    pub(crate) fn hand_out(&self, cqe: &mut ouzel_cqe) {
        if cqe.flags & OUZEL_CQE_BUFFER != 0 {
            self.note(cqe);
        }
    }

    fn note(&self, cqe: &mut ouzel_cqe) {
        let (lender, id) = parts(cqe.buf_id);
        self.loans.with(|loans| {
            let loan = &mut loans[lender];
            let (word, bit) = (usize::from(id) / 64, id % 64);
            if let Some(word) = loan.out.get_mut(word) {
                *word |= 1 << bit;
            }
            cqe.extra = loan.lender.at(id) as u64;
        });
    }

    /// Where a buffer is, if the host has it.
    pub(crate) fn at(&self, buf_id: u32) -> Option<*mut u8> {
        let (lender, id) = parts(buf_id);
        self.loans
            .with(|loans| loans.get(lender).filter(|loan| loan.is_out(id)).map(|loan| loan.lender.at(id)))
    }

    /// Takes a buffer back. False if the host does not have it. The runtime is current.
    pub(crate) fn take_back(&self, buf_id: u32) -> bool {
        let (lender, id) = parts(buf_id);
        self.loans.with(|loans| {
            let Some(loan) = loans.get_mut(lender) else { return false };
            let Some(word) = loan.out.get_mut(usize::from(id) / 64) else { return false };
            let bit = 1 << (id % 64);
            let is_out = *word & bit != 0;
            *word &= !bit;
            if is_out {
                loan.lender.give_back(id);
            }
            is_out
        })
    }

    /// Gives back a buffer that the host has not seen. The runtime is current.
    pub(crate) fn discard(&self, buf_id: u32) {
        let (lender, id) = parts(buf_id);
        self.loans.with(|loans| {
            if let Some(loan) = loans.get(lender) {
                loan.lender.give_back(id);
            }
        });
    }
}
