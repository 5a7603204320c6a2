//! The same commands, right and wrong ones, to this server's session and to memcached: the replies must be the same.
//!
//! Numbers that each server makes for itself (cas), and seconds, are compared by their place only.

mod common;

use std::net::TcpStream;

use common::{Ours, Random, ask, ask_as, memcached, random_command};

/// Commands, by `|`; `@k` becomes the cas of `k` as the server at hand tells it, `~` the end of a line.
const SCRIPTS: &[&str] = &[
    "set a 1 0 3~abc~|get a~|gets a~|get a b a~|get~|gets~| get  a ~|GET a~|get a\n|set b 4294967295 0 0~~|get b~",
    "set a 0 0 3~abcd~|get a~|set a 0 0 3~ab~|x~|set a 0 0 3~abc\n|y~|get a~|set a 0 0 -1~|set a 0 0 x~abc~|set a x 0 1~a~",
    "set a -1 0 1~a~|set a 0 x 1~a~|set a 0 0~|set a 0 0 1 noreply x~|set a 0 0 1 noreply~a~|get a~",
    "add a 0 0 1~1~|add a 0 0 1~2~|replace b 0 0 1~1~|replace a 5 0 1~3~|get a~|append a 0 0 2~xy~|prepend a 9 9 2~pq~|gets a~",
    "append no 0 0 1~1~|prepend no 0 0 1~1~|cas no 0 0 1 5~x~|set c 0 0 1~1~|cas c 0 0 1 @c~2~|cas c 0 0 1 1~3~|cas c 0 0 1 x~3~|get c~",
    "cas c 0 0 1~x~|cas c 0 0 1 1 noreply~x~|get c~|set n 0 0 2~10~|incr n 5~|decr n 7~|get n~|decr n 100~|get n~|incr n x~|incr n -1~",
    "set n 0 0 20~18446744073709551615~|incr n 1~|get n~|set n 0 0 3~abc~|incr n 1~|decr n 1~|incr no 1~|decr no 1~|incr n~|incr n 1 2 3~",
    "set n 0 0 0~~|incr n 1~|set n 0 0 2~1 ~|incr n 9~|get n~|set n 0 0 5~  007~|incr n 1~|get n~|incr n 1 noreply~|get n~|incr n 1 norepl~",
    "delete a~|set a 0 0 1~a~|delete a~|delete a 0~|delete a 0 noreply~|delete a noreply~|delete a 1~|delete a b c~|delete a b c d~|delete~",
    "set a 0 -1 1~a~|get a~|set a 0 100 1~a~|touch a 0~|touch a x~|touch no 0~|touch a 0 noreply~|touch a~|gat 0 a~|gats 0 a b~|gat x a~|gat 0~|gat~",
    "gat -1 a~|get a~|set a 0 0 1~a~|touch a -1~|get a~|set a 0 1000000000 1~a~|get a~|set a 0 2000000000 1~b~|get a~",
    "flush_all~|set a 0 0 1~a~|flush_all~|get a~|set a 0 0 1~b~|get a~|flush_all noreply~|get a~|flush_all x~|flush_all 0~|flush_all 0 noreply~|flush_all -1~",
    "set a 0 0 1~b~|flush_all 100~|get a~|flush_all 100 noreply~|flush_all 1 2 3~|verbosity 0~|verbosity~|verbosity x~|verbosity 0 noreply~|verbosity 1 2 3~",
    "~|\n|x~|xx~|set~|get \n|shutdown~|stat~|ms~|mg~|md~|ma~|me~|mx~|m~|g~|getx a~|setx a 0 0 1~|noreply~|add~|incr~|touch~|decr~",
    "mg a~|ms a 2~hi~|mg a~|mg a v~|mg a s t f k~|mg a k v Oabc q~|mg no q~|mg no Oabc k~|mg no v~|mg a v v~|mg a !~|mg a vx~",
    "ms a 2 T0 F7 c~hi~|mg a f v s~|ms a 2 T100 F7~hi~|mg a t~|ms a x~|ms a -1~|ms a 2 !~hi~|ms a 2 k Oq1~hi~|ms a 2 q~hi~|ms a~|ms a 2 F-1~hi~",
    "ms a 2 ME~hi~|ms b 2 ME~hi~|ms c 2 MR~hi~|ms a 2 MR~ho~|ms a 2 MA~xy~|ms a 2 MP~pq~|mg a v~|ms no 2 MA~xy~|ms a 2 MX~hi~|ms a 2 M~hi~|ms a 2 MSS~hi~",
    "ms a 2~hi~|ms a 2 C@a~hj~|ms a 2 C1~hk~|ms no 2 C1~hi~|ms a 2 C@a ME~hi~|ms a 2 MA C1~hi~|mg a v~|ms a 2 C1 I~zz~|mg a v c~|mg a v~|ms a 2 Cx~hi~",
    "md no~|ms a 1~a~|md a~|mg a~|md no q~|md no k Oz~|ms a 1~a~|md a C1~|md a C@a~|ms a 1~a~|md a I T30~|mg a t v~|mg a v~|md a q~|md a !~|md a q k O1~",
    "ma no~|ma no N0 J13~|ma no~|ma no v~|ma no D10 v~|ma no MD v~|ma no MI D3 v~|ma no M- D300 v~|ma no M+ v t~|ma no v k Oo~|ma no MX~|ma no Dx~|ma no Jx~",
    "ms t 3~abc~|ma t~|ma q N30 J5 t v~|ma q t v~|ma q T60 t v~|ma q q~|ma q q v~|ma qq q~|ma q C1~|ma q C@q v~|ma q N~|ma q !~",
    "ms Zm9v 2 b~hi~|mg foo v~|mg Zm9v b k v~|mg Zm9v k v~|md Zm9v b k~|mg !!!! b v~|mg foo b v~|ms !!! 2 b~hi~|me foo~|me no~|me~|ma Zm9v b N0 k~|md Zm9v b~",
    "mg viv N30 v t~|mg viv N30 v t~|mg viv N30 v h~|mg viv v l h~|ms viv 2 T30~hi~|mg viv R60 v~|mg viv R60 v~|mg viv R20 v~|mg viv T60 t~|mg viv Tx~|mg viv Nx v~",
    "ms s 2~hi~|mg s h~|mg s h~|mg s u h~|md s I~|mg s v~|mg s v~|ms s 2~hi~|mg s v~|md s I T1000~|ms s 2 c~ho~|mg s v~|mg s k q~|mg s q~|mg s q v~|mg s q s~",
    "ms a 3~abcd~|mg a v~|ms a 3 q~abcde~|ms a 2 O123456789012345678901234567890123~hi~|mg a O123456789012345678901234567890123~|mg a O1234567890123456789012345678901~|mg no O12345678901234567890123456789012345~",
];

/// Without the threads that hold on to items now and then: an item that is held is not changed where it lies, and then a
/// number that gets shorter leaves no blanks.
const QUIET: &[&str] = &["-o", "no_modern"];

/// Answered at once, with nothing but `MN`.
const NO_OP: &[u8] = b"mn\r\n";

struct Pair {
    ours: Ours,
    theirs: TcpStream,
}

impl Pair {
    fn compare(&mut self, command: &str, history: &[String]) {
        let (mine, theirs) = (self.with_cas(command, true), self.with_cas(command, false));
        let got = self.ours.ask(&[&mine, NO_OP].concat());
        let want = ask_as(&mut self.theirs, &[&theirs, NO_OP].concat(), &got);
        let (got, want) = (without_cas(&got), without_cas(&want));
        if std::env::var_os("GO_ON").is_some() {
            if got != want {
                println!("{command:?}: {got:?}, memcached {want:?}; before {:?}", history.last());
            }
            return;
        }
        assert_eq!(got, want, "after {command:?}; before that {history:#?}");
    }

    /// Puts the cas of a key where `@key` stands.
    fn with_cas(&mut self, command: &str, mine: bool) -> Vec<u8> {
        let command = command.replace('~', "\r\n");
        let Some((before, rest)) = command.split_once('@') else { return command.into_bytes() };
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let gets = format!("gets {}\r\n", &rest[..end]);
        let told = if mine {
            self.ours.ask(gets.as_bytes())
        } else {
            ask(&mut self.theirs, &[gets.as_bytes(), NO_OP].concat())
        };
        let told = String::from_utf8_lossy(&told).into_owned();
        let cas = told.lines().next().and_then(|l| l.split(' ').nth(4)).unwrap_or("77").to_owned();
        format!("{before}{cas}{}", &rest[end..]).into_bytes()
    }
}

/// The reply with `N` for what is a cas.
fn without_cas(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    let mut lines = Vec::new();
    for line in text.split("\r\n") {
        let words: Vec<&str> = line.split(' ').collect();
        let line = match words[0] {
            "VALUE" if words.len() == 5 => format!("{} N", words[..4].join(" ")),
            "ME" => words[..2].join(" "),
            "HD" | "VA" | "EX" | "NF" | "NS" => words
                .iter()
                .map(|w| match (w.as_bytes()[..].first(), w.get(1..).map(str::parse::<u64>)) {
                    (Some(b'c'), Some(Ok(_))) => "cN",
                    (Some(b't'), Some(Ok(_))) => "tN",
                    (Some(b'l'), Some(Ok(_))) => "lN",
                    _ => w,
                })
                .collect::<Vec<_>>()
                .join(" "),
            _ => line.to_owned(),
        };
        lines.push(line);
    }
    lines.join("\n")
}

#[test]
fn scripts_get_the_same_replies() {
    for script in SCRIPTS {
        let Some((_process, theirs)) = memcached(QUIET) else { return };
        let mut pair = Pair { ours: Ours::new(16 << 20), theirs };
        let mut history = Vec::new();
        for command in script.split('|') {
            pair.compare(command, &history);
            history.push(command.to_owned());
        }
    }
}

#[test]
fn random_commands_get_the_same_replies() {
    let Some((_process, theirs)) = memcached(QUIET) else { return };
    let mut pair = Pair { ours: Ours::new(16 << 20), theirs };
    let mut random = Random(5);
    let mut history = Vec::new();
    for _ in 0..20_000 {
        let command = random_command(&mut random);
        pair.compare(&command, &history);
        history.push(command);
        if history.len() > 12 {
            history.remove(0);
        }
    }
}
