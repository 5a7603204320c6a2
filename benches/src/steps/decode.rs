//! What the stepper has to know of an instruction.

use iced_x86::{Decoder, DecoderOptions, Mnemonic, OpKind};

/// The most bytes an instruction has.
pub const LONGEST: usize = 15;

/// One instruction, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// An atomic read-modify-write: a `lock` prefix, or an `xchg` with memory, which has it built in. The full
    /// fence that compilers make of such an instruction is among them; `mfence` is not.
    pub rmw: bool,
    /// A repeated string instruction: it is stepped once for every element.
    pub repeats: bool,
    /// A system call.
    pub syscall: bool,
}

/// Decodes the 64-bit instruction at the beginning of `bytes`. None: these bytes are none.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Kind> {
    let one = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
    if one.is_invalid() {
        return None;
    }
    let in_memory = (0..one.op_count()).any(|i| one.op_kind(i) == OpKind::Memory);
    Some(Kind {
        rmw: one.has_lock_prefix() || (one.mnemonic() == Mnemonic::Xchg && in_memory),
        syscall: one.mnemonic() == Mnemonic::Syscall,
        repeats: one.is_string_instruction() && (one.has_rep_prefix() || one.has_repne_prefix()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(bytes: &[u8], rmw: bool, repeats: bool) {
        assert_eq!(decode(bytes), Some(Kind { rmw, repeats, syscall: false }), "{bytes:02x?}");
    }

    #[test]
    fn locked_instructions_and_exchanges_with_memory_are_read_modify_writes() {
        is(&[0xf0, 0x48, 0x0f, 0xb1, 0x0e], true, false); // lock cmpxchg [rsi], rcx
        is(&[0xf0, 0x48, 0x0f, 0xc1, 0x08], true, false); // lock xadd [rax], rcx
        is(&[0xf0, 0x48, 0xff, 0x43, 0x10], true, false); // lock inc qword [rbx+16]
        is(&[0xf0, 0x83, 0x0c, 0x24, 0x00], true, false); // lock or dword [rsp], 0: a fence
        is(&[0x87, 0x07], true, false); // xchg [rdi], eax
        is(&[0x48, 0x87, 0x44, 0x24, 0x08], true, false); // xchg [rsp+8], rax
    }

    #[test]
    fn others_are_not() {
        is(&[0x90], false, false); // nop, which is xchg eax, eax
        is(&[0x66, 0x90], false, false); // xchg ax, ax
        is(&[0x48, 0x93], false, false); // xchg rax, rbx
        is(&[0x48, 0x0f, 0xb1, 0x0e], false, false); // cmpxchg [rsi], rcx without lock
        is(&[0x48, 0x89, 0x07], false, false); // mov [rdi], rax: an atomic store
        is(&[0x0f, 0xae, 0xf0], false, false); // mfence
        is(&[0x48, 0xff, 0x07], false, false); // inc qword [rdi]
    }

    #[test]
    fn repeated_string_instructions_are_known() {
        is(&[0xf3, 0x48, 0xa5], false, true); // rep movsq
        is(&[0xf2, 0xae], false, true); // repne scasb
        is(&[0x48, 0xa5], false, false); // movsq
        is(&[0xf3, 0x90], false, false); // pause, which is rep nop
    }

    #[test]
    fn a_system_call_is_one() {
        assert_eq!(decode(&[0x0f, 0x05]), Some(Kind { rmw: false, repeats: false, syscall: true }));
    }

    #[test]
    fn what_is_no_instruction_is_none() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[0xf0]), None);
        assert_eq!(decode(&[0x06]), None); // push es: not in 64-bit mode
    }
}
