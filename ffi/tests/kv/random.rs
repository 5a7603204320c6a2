//! Requests by chance, good and bad, out of few keys so that they meet.

/// Numbers by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const KEYS: &[&str] = &["a", "b", "c", "number", "n", "a-longer-key", "0"];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "7",
    "30",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "x",
    "",
    "99999999999999999999999",
];
const WORDS: &[&str] = &[
    "get",
    "gets",
    "set",
    "delete",
    "incr",
    "decr",
    "flush_all",
    "version",
    "noreply",
    "add",
    "GET",
    "verbosity",
];
const EXPIRIES: &[&str] = &["0", "0", "0", "-1", "86400", "4000000000", "x", "-", "99999999999999999999"];
const ENDS: &[&str] = &["\r\n", "\r\n", "\r\n", "\n", " \r\n"];

/// Some hundred requests, the last perhaps in the middle of a value.
pub(crate) fn requests(seed: u64) -> Vec<u8> {
    let mut chance = Chance(seed);
    let mut out = Vec::new();
    for _ in 0..300 {
        let end = chance.one(ENDS);
        match chance.below(12) {
            0..=3 => set(&mut chance, &mut out),
            4 | 5 => {
                let name = chance.one(&["get", "gets"]);
                let keys: Vec<_> = (0..=chance.below(4)).map(|_| chance.one(KEYS)).collect();
                out.extend(format!("{name} {}{end}", keys.join(" ")).bytes());
            }
            6 | 7 => {
                let (name, key, by) = (chance.one(&["incr", "decr"]), chance.one(KEYS), chance.one(NUMBERS));
                let quiet = chance.one(&["", "", " noreply"]);
                out.extend(format!("{name} {key} {by}{quiet}{end}").bytes());
            }
            8 => {
                let (key, rest) =
                    (chance.one(KEYS), chance.one(&["", "", " 0", " noreply", " 0 noreply", " 1", " a b"]));
                out.extend(format!("delete {key}{rest}{end}").bytes());
            }
            9 => {
                let words: Vec<_> =
                    (0..chance.below(11)).map(|_| chance.one(&[WORDS, KEYS, NUMBERS].concat())).collect();
                out.extend(format!("{}{end}", words.join(" ")).bytes());
            }
            10 => {
                let long = "k".repeat(240 + chance.below(20));
                let name = chance.one(&["get", "delete", "incr"]);
                out.extend(format!("{name} {long} 1{end}").bytes());
            }
            _ => {
                let bytes = (0..chance.below(60)).map(|_| chance.below(256) as u8);
                out.extend(bytes);
                out.extend(end.bytes());
            }
        }
    }
    out
}

/// A value, now and then of another length than said, or without its end.
fn set(chance: &mut Chance, out: &mut Vec<u8>) {
    let (key, expiry) = (chance.one(KEYS), chance.one(EXPIRIES));
    let flags = chance.one(&["0", "5", "4294967295", "4294967296", "x"]);
    let rare = chance.below(30) == 0;
    let len: usize = chance.one(if rare { &[70_000, 1_048_577] } else { &[0, 1, 2, 3, 20, 300, 5000] });
    let quiet = chance.one(&["", "", "", " noreply", " more", " more noreply"]);
    let end = chance.one(&["\r\n", "\r\n", "\r\n", "\n"]);
    out.extend(format!("set {key} {flags} {expiry} {len}{quiet}{end}").bytes());
    let there = if chance.below(8) == 0 { len.saturating_sub(1) + chance.below(4) } else { len };
    let digits = chance.below(2) == 0;
    out.extend(
        (0..there).map(|_| if digits { b'0' + chance.below(10) as u8 } else { chance.below(256) as u8 }),
    );
    out.extend(end.bytes());
}
