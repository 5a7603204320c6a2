//! What the stepper has to know of an instruction.

use iced_x86::{ConditionCode, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};

/// One instruction, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// An atomic read-modify-write: a `lock` prefix, or an `xchg` with memory, which has it built in. The full
    /// fence that compilers make of such an instruction is among them; `mfence` is not.
    pub rmw: bool,
    /// A system call.
    pub syscall: bool,
}

/// Decodes the 64-bit instruction at the beginning of `bytes`. None: these bytes are none.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Kind> {
    kind_of(&Decoder::new(64, bytes, DecoderOptions::NONE).decode())
}

/// The same of an instruction that has been decoded.
#[must_use]
pub fn kind_of(one: &Instruction) -> Option<Kind> {
    if one.is_invalid() {
        return None;
    }
    let in_memory = (0..one.op_count()).any(|i| one.op_kind(i) == OpKind::Memory);
    Some(Kind {
        rmw: one.has_lock_prefix() || (one.mnemonic() == Mnemonic::Xchg && in_memory),
        syscall: one.mnemonic() == Mnemonic::Syscall,
    })
}

/// Whether a condition holds under these flags.
#[must_use]
pub fn holds(condition: ConditionCode, flags: u64) -> bool {
    let flag = |bit: u32| flags >> bit & 1 != 0;
    let (carry, parity, zero, sign, overflow) = (flag(0), flag(2), flag(6), flag(7), flag(11));
    match condition {
        ConditionCode::None => true,
        ConditionCode::o => overflow,
        ConditionCode::no => !overflow,
        ConditionCode::b => carry,
        ConditionCode::ae => !carry,
        ConditionCode::e => zero,
        ConditionCode::ne => !zero,
        ConditionCode::be => carry || zero,
        ConditionCode::a => !carry && !zero,
        ConditionCode::s => sign,
        ConditionCode::ns => !sign,
        ConditionCode::p => parity,
        ConditionCode::np => !parity,
        ConditionCode::l => sign != overflow,
        ConditionCode::ge => sign == overflow,
        ConditionCode::le => zero || sign != overflow,
        ConditionCode::g => !zero && sign == overflow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(bytes: &[u8], rmw: bool) {
        assert_eq!(decode(bytes), Some(Kind { rmw, syscall: false }), "{bytes:02x?}");
    }

    #[test]
    fn locked_instructions_and_exchanges_with_memory_are_read_modify_writes() {
        is(&[0xf0, 0x48, 0x0f, 0xb1, 0x0e], true); // lock cmpxchg [rsi], rcx
        is(&[0xf0, 0x48, 0x0f, 0xc1, 0x08], true); // lock xadd [rax], rcx
        is(&[0xf0, 0x48, 0xff, 0x43, 0x10], true); // lock inc qword [rbx+16]
        is(&[0xf0, 0x83, 0x0c, 0x24, 0x00], true); // lock or dword [rsp], 0: a fence
        is(&[0x87, 0x07], true); // xchg [rdi], eax
        is(&[0x48, 0x87, 0x44, 0x24, 0x08], true); // xchg [rsp+8], rax
    }

    #[test]
    fn others_are_not() {
        is(&[0x90], false); // nop, which is xchg eax, eax
        is(&[0x66, 0x90], false); // xchg ax, ax
        is(&[0x48, 0x93], false); // xchg rax, rbx
        is(&[0x48, 0x0f, 0xb1, 0x0e], false); // cmpxchg [rsi], rcx without lock
        is(&[0x48, 0x89, 0x07], false); // mov [rdi], rax: an atomic store
        is(&[0x0f, 0xae, 0xf0], false); // mfence
        is(&[0x48, 0xff, 0x07], false); // inc qword [rdi]
    }

    #[test]
    fn a_system_call_is_one() {
        assert_eq!(decode(&[0x0f, 0x05]), Some(Kind { rmw: false, syscall: true }));
    }

    #[test]
    fn what_is_no_instruction_is_none() {
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[0xf0]), None);
        assert_eq!(decode(&[0x06]), None); // push es: not in 64-bit mode
    }

    /// Carry, parity, zero, sign, overflow.
    fn flags(on: &str) -> u64 {
        on.chars().map(|c| 1 << [0, 2, 6, 7, 11]["cpzso".find(c).unwrap()]).sum()
    }

    #[test]
    fn conditions_and_their_opposites_are_told_from_the_flags() {
        use ConditionCode as C;
        let table = [
            (C::o, C::no, vec!["o", "os"], vec!["", "czs"]),
            (C::b, C::ae, vec!["c", "cz"], vec!["", "zso"]),
            (C::e, C::ne, vec!["z", "zc"], vec!["", "cso"]),
            (C::be, C::a, vec!["c", "z", "cz"], vec!["", "so"]),
            (C::s, C::ns, vec!["s"], vec!["", "czo"]),
            (C::p, C::np, vec!["p"], vec!["", "czso"]),
            (C::l, C::ge, vec!["s", "o"], vec!["", "so", "z"]),
            (C::le, C::g, vec!["s", "o", "z", "zso"], vec!["", "so", "c"]),
        ];
        for (condition, opposite, yes, no) in table {
            for (on, want) in yes.iter().map(|f| (f, true)).chain(no.iter().map(|f| (f, false))) {
                assert_eq!(holds(condition, flags(on)), want, "{condition:?} of {on}");
                assert_eq!(holds(opposite, flags(on)), !want, "{opposite:?} of {on}");
            }
        }
    }
}
