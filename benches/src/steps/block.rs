//! Runs of instructions without a branch, and where the branch behind each goes.
//!
//! A stop of a traced thread costs as much whatever lies between two stops, tens of microseconds on a virtual machine.
//! So the thread runs to the end of a block at once, and the branch there is done by the stepper.

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use nix::libc::user_regs_struct;

use super::child::Child;
use super::count::Error;
use super::decode::{Kind, holds, kind_of};

/// From a branch's target up to the next branch.
#[derive(Debug)]
pub(super) struct Block {
    /// What the instructions are, with their addresses. The last one is the branch.
    pub(super) insns: Vec<(u64, Kind)>,
    branch: Instruction,
}

impl Block {
    /// Where the branch is.
    pub(super) fn last(&self) -> u64 {
        self.branch.ip()
    }

    /// Reads the block at `at`.
    pub(super) fn read(child: &Child, at: u64) -> Result<Self, Error> {
        let mut bytes = [0; 4096];
        // At the end of a mapping there are fewer.
        let n = child.read_some(at, &mut bytes)?;
        let mut insns = Vec::new();
        for one in &mut Decoder::with_ip(64, &bytes[..n], at, DecoderOptions::NONE) {
            let kind = kind_of(&one).ok_or_else(|| format!("no instruction at {:#x}", one.ip()))?;
            insns.push((one.ip(), kind));
            // A block that does not end in those bytes ends somewhere.
            if one.flow_control() != FlowControl::Next || insns.len() == 200 {
                return Ok(Block { insns, branch: one });
            }
        }
        Err(format!("no branch behind {at:#x}").into())
    }

    /// What the registers are after the branch. None: the thread has to do it.
    pub(super) fn branch(
        &self,
        child: &Child,
        regs: &user_regs_struct,
    ) -> Result<Option<user_regs_struct>, Error> {
        let one = &self.branch;
        let mut next = *regs;
        next.rip = match one.flow_control() {
            FlowControl::ConditionalBranch if one.code().is_jcc_short_or_near() => {
                if holds(one.condition_code(), regs.eflags) {
                    one.near_branch_target()
                } else {
                    one.next_ip()
                }
            }
            FlowControl::UnconditionalBranch if one.is_jmp_short_or_near() => one.near_branch_target(),
            FlowControl::Return if one.code() == Code::Retnq => {
                next.rsp += 8;
                word(child, regs.rsp)?
            }
            FlowControl::Call | FlowControl::IndirectCall | FlowControl::IndirectBranch => {
                let target = match one.op0_kind() {
                    _ if one.mnemonic() != Mnemonic::Call && one.mnemonic() != Mnemonic::Jmp => None,
                    OpKind::NearBranch64 => Some(one.near_branch_target()),
                    OpKind::Register => register(one.op0_register(), regs),
                    OpKind::Memory if one.code() == Code::Call_rm64 || one.code() == Code::Jmp_rm64 => {
                        let at = one.virtual_address(0, 0, |r, _, _| register(r, regs));
                        at.map(|at| word(child, at)).transpose()?
                    }
                    _ => None,
                };
                let Some(target) = target else { return Ok(None) };
                if one.mnemonic() == Mnemonic::Call {
                    next.rsp -= 8;
                    child.write(next.rsp, &one.next_ip().to_ne_bytes())?;
                }
                target
            }
            _ => return Ok(None),
        };
        Ok(Some(next))
    }
}

fn word(child: &Child, at: u64) -> Result<u64, Error> {
    let mut bytes = [0; 8];
    child.read(at, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A register of 64 bits, or the base of a segment that has none.
fn register(register: Register, regs: &user_regs_struct) -> Option<u64> {
    Some(match register {
        Register::RAX => regs.rax,
        Register::RBX => regs.rbx,
        Register::RCX => regs.rcx,
        Register::RDX => regs.rdx,
        Register::RSI => regs.rsi,
        Register::RDI => regs.rdi,
        Register::RBP => regs.rbp,
        Register::RSP => regs.rsp,
        Register::R8 => regs.r8,
        Register::R9 => regs.r9,
        Register::R10 => regs.r10,
        Register::R11 => regs.r11,
        Register::R12 => regs.r12,
        Register::R13 => regs.r13,
        Register::R14 => regs.r14,
        Register::R15 => regs.r15,
        Register::CS | Register::DS | Register::ES | Register::SS => 0,
        _ => return None,
    })
}
