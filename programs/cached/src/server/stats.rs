//! What `stats` tells, SIGUSR1 prints and `--metrics` exports.

use std::io::Write;
use std::sync::PoisonError;

use super::shared::Shared;
use crate::counters::Totals;
use crate::proto::VERSION;
use crate::store::ShardStats;

/// Appends the lines of `stats WHAT`; false if there is no such `what`.
pub(super) fn write(shared: &Shared, what: &[u8], out: &mut Vec<u8>) -> bool {
    match what {
        b"" => general(shared, &mut |name, value| stat(out, name, value)),
        b"settings" => settings(shared, &mut |name, value| stat(out, name, value)),
        b"items" => items(&shared.store.stats(), &mut |name, value| stat(out, name, value)),
        b"slabs" => slabs(&shared.store.stats(), &mut |name, value| stat(out, name, value)),
        b"sizes" => stat(out, "sizes_status", &"disabled"),
        b"conns" | b"threads" => threads(shared, &mut |name, value| stat(out, name, value)),
        _ => return false,
    }
    true
}

type Tell<'a> = &'a mut dyn FnMut(&str, &dyn std::fmt::Display);

fn stat(out: &mut Vec<u8>, name: &str, value: &dyn std::fmt::Display) {
    write!(out, "STAT {name} {value}\r\n").expect("a vector takes it");
}

fn general(shared: &Shared, tell: Tell<'_>) {
    let (user, system) = cpu_times();
    tell("pid", &std::process::id());
    tell("uptime", &shared.started.elapsed().as_secs());
    tell("time", &shared.store.time());
    tell("version", &VERSION);
    tell("driver", &shared.driver.lock().unwrap_or_else(PoisonError::into_inner));
    tell("pointer_size", &usize::BITS);
    tell("rusage_user", &user);
    tell("rusage_system", &system);
    tell("max_connections", &shared.options.max_connections);
    tell("curr_connections", &shared.open());
    numbers(shared, &shared.totals(), &shared.store.stats(), tell);
    tell("threads", &shared.options.threads);
    tell("accepting_conns", &u8::from(shared.open() < shared.options.max_connections));
}

/// All that is a number and grows.
fn numbers(shared: &Shared, n: &Totals, s: &ShardStats, tell: Tell<'_>) {
    let rows: [(&str, u64); 47] = [
        ("total_connections", n.total_connections),
        ("rejected_connections", n.rejected_connections),
        ("idle_kicks", n.idle_kicks),
        ("conn_yields", n.conn_yields),
        ("output_waits", n.output_waits),
        ("cmd_get", n.cmd_get),
        ("cmd_set", n.cmd_set),
        ("cmd_flush", n.cmd_flush),
        ("cmd_touch", n.cmd_touch),
        ("cmd_meta", n.cmd_meta),
        ("get_hits", n.get_hits),
        ("get_misses", n.get_misses),
        ("get_expired", s.expired),
        ("delete_hits", n.delete_hits),
        ("delete_misses", n.delete_misses),
        ("incr_hits", n.incr_hits),
        ("incr_misses", n.incr_misses),
        ("decr_hits", n.decr_hits),
        ("decr_misses", n.decr_misses),
        ("cas_hits", n.cas_hits),
        ("cas_misses", n.cas_misses),
        ("cas_badval", n.cas_badval),
        ("touch_hits", n.touch_hits),
        ("touch_misses", n.touch_misses),
        ("store_too_large", n.store_too_large),
        ("store_no_memory", n.store_no_memory),
        ("bytes_read", n.bytes_read),
        ("bytes_written", n.bytes_written),
        ("limit_maxbytes", s.limit),
        ("bytes", s.bytes),
        ("free_bytes", s.free),
        ("curr_items", s.items),
        ("total_items", s.total_items),
        ("evictions", s.evictions),
        ("evicted_unfetched", s.evicted_unfetched),
        ("expired_unfetched", s.expired_unfetched),
        ("reclaimed", s.reclaimed),
        ("out_of_memory", s.out_of_memory),
        ("syscalls", n.syscalls),
        ("enters", n.enters),
        ("sqes", n.sqes),
        ("cqes", n.cqes),
        ("polls", n.polls),
        ("allocs", (shared.allocations)()),
        ("value_ops", n.value_ops),
        ("value_copies", n.value_copies),
        ("bytes_copied", n.bytes_copied),
    ];
    rows.iter().for_each(|(name, value)| tell(name, value));
}

fn settings(shared: &Shared, tell: Tell<'_>) {
    let o = &shared.options;
    tell("maxbytes", &o.memory);
    tell("maxconns", &o.max_connections);
    tell("tcpport", &shared.port);
    tell("udpport", &0);
    tell("inter", &if o.listen.is_empty() { "NULL".into() } else { o.listen.join(",") });
    tell("verbosity", &o.verbosity);
    tell("oldest", &0);
    tell("evictions", &"on");
    tell("domain_socket", &o.unix_path.as_ref().map_or("NULL".into(), |p| p.display().to_string()));
    tell("umask", &format!("{:o}", o.unix_mode));
    tell("num_threads", &o.threads);
    tell("reqs_per_event", &o.requests_per_turn);
    tell("cas_enabled", &"yes");
    tell("tcp_backlog", &o.backlog);
    tell("binding_protocol", &"ascii");
    tell("item_size_max", &o.item_max);
    tell("maxconns_fast", &"yes");
    tell("idle_timeout", &o.idle_timeout);
    tell("flush_enabled", &if o.flush_enabled { "yes" } else { "no" });
    tell("hash_algorithm", &"xxh3");
    tell("eviction", &"s3-fifo");
    tell("shards", &shared.store.shards());
}

/// Items have one class here: memory is not cut by size.
fn items(s: &ShardStats, tell: Tell<'_>) {
    if s.items == 0 {
        return;
    }
    let rows: [(&str, u64); 9] = [
        ("items:1:number", s.items),
        ("items:1:number_small", s.small),
        ("items:1:number_main", s.items - s.small),
        ("items:1:mem_requested", s.bytes),
        ("items:1:evicted", s.evictions),
        ("items:1:evicted_unfetched", s.evicted_unfetched),
        ("items:1:expired_unfetched", s.expired_unfetched),
        ("items:1:outofmemory", s.out_of_memory),
        ("items:1:reclaimed", s.reclaimed),
    ];
    rows.iter().for_each(|(name, value)| tell(name, value));
}

fn slabs(s: &ShardStats, tell: Tell<'_>) {
    const CHUNK: u64 = 16;
    let rows: [(&str, u64); 6] = [
        ("1:chunk_size", CHUNK),
        ("1:total_chunks", s.limit / CHUNK),
        ("1:used_chunks", (s.limit - s.free) / CHUNK),
        ("1:free_chunks", s.free / CHUNK),
        ("active_slabs", 1),
        ("total_malloced", s.limit),
    ];
    rows.iter().for_each(|(name, value)| tell(name, value));
}

fn threads(shared: &Shared, tell: Tell<'_>) {
    for (i, count) in shared.counters.iter().enumerate() {
        tell(&format!("{i}:curr_connections"), &count.curr_connections.get());
        tell(&format!("{i}:total_connections"), &count.total_connections.get());
        tell(&format!("{i}:cmd_get"), &count.cmd_get.get());
        tell(&format!("{i}:cmd_set"), &count.cmd_set.get());
    }
}

/// The same for Prometheus: text format 0.0.4.
pub(super) fn prometheus(shared: &Shared) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &dyn std::fmt::Display| {
        let gauge =
            ["limit_maxbytes", "bytes", "free_bytes", "curr_items", "curr_connections"].contains(&name);
        let kind = if gauge { "gauge" } else { "counter" };
        let suffix = if gauge { "" } else { "_total" };
        text.push_str(&format!(
            "# TYPE ouzel_cached_{name}{suffix} {kind}\nouzel_cached_{name}{suffix} {value}\n"
        ));
    };
    row("curr_connections", &shared.open());
    numbers(shared, &shared.sum(), &shared.store.stats(), &mut row);
    text
}

/// Seconds this process had a CPU, in its own code and in the kernel's.
fn cpu_times() -> (String, String) {
    // SAFETY: plain data, for which zeros are good.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: there is room for the answer.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    let show = |t: libc::timeval| format!("{}.{:06}", t.tv_sec, t.tv_usec);
    (show(usage.ru_utime), show(usage.ru_stime))
}
