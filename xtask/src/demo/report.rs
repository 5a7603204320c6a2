//! The rows as tables for people and as JSON for programs.

use super::measure::Row;
use serde_json::{Value, json};
use std::path::Path;

/// Prints the rows of one driver.
pub(super) fn print_table(driver: &str, rows: &[Row]) {
    println!("\n{driver}");
    println!(
        "{:>6} {:>5} {:>10} {:>8} {:>9} {:>9} {:>10} {:>12} {:>13} {:>10} {:>12}",
        "conns",
        "depth",
        "req/s",
        "cpu us/r",
        "p50 us",
        "p99 us",
        "enters/req",
        "syscalls/req",
        "queue ops/req",
        "allocs/req",
        "copies/value"
    );
    for r in rows.iter().filter(|r| r.driver == driver) {
        println!(
            "{:>6} {:>5} {:>10.0} {:>8.2} {:>9.1} {:>9.1} {:>10} {:>12} {:>13} {:>10} {:>12}",
            r.cell.0,
            r.cell.1,
            r.requests_per_s,
            r.cpu_us,
            r.p50_us,
            r.p99_us,
            count(r.enters),
            count(r.syscalls),
            count(r.queue_ops),
            count(r.allocs),
            count(r.copies)
        );
    }
}

fn count(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.4}"))
}

/// Prints what each driver's CPU per request is to io_uring's, cell by cell.
pub(super) fn print_ratios(rows: &[Row]) {
    let uring: Vec<&Row> = rows.iter().filter(|r| r.driver == "uring").collect();
    for driver in ["epoll", "poll"] {
        let pairs = uring.iter().filter_map(|u| {
            let other = rows.iter().find(|r| r.driver == driver && r.cell == u.cell)?;
            Some(format!("{}x{} {:.2}", u.cell.0, u.cell.1, other.cpu_us / u.cpu_us))
        });
        let pairs: Vec<String> = pairs.collect();
        if !pairs.is_empty() {
            println!("\nserver CPU per request, {driver} / uring: {}", pairs.join(", "));
        }
    }
}

/// Writes the rows as a list of objects.
pub(super) fn write_json(path: &Path, rows: &[Row]) -> Result<(), String> {
    let list: Vec<Value> = rows.iter().map(object).collect();
    let text = serde_json::to_string_pretty(&list).map_err(|e| e.to_string())?;
    std::fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))
}

fn object(r: &Row) -> Value {
    let round = |v: f64| (v * 1e4).round() / 1e4;
    json!({
        "driver": r.driver,
        "connections": r.cell.0,
        "depth": r.cell.1,
        "requests_per_s": round(r.requests_per_s),
        "cpu_us_per_request": round(r.cpu_us),
        "p50_us": round(r.p50_us),
        "p99_us": round(r.p99_us),
        "enters_per_request": r.enters.map(round),
        "syscalls_per_request": r.syscalls.map(round),
        "queue_ops_per_request": r.queue_ops.map(round),
        "allocs_per_request": r.allocs.map(round),
        "copies_per_value": r.copies.map(round),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_every_key_and_null_for_what_is_not_counted() {
        let row = Row {
            driver: "poll".into(),
            cell: (64, 16),
            requests: 10,
            requests_per_s: 1.0,
            cpu_us: 2.0,
            p50_us: 3.0,
            p99_us: 4.0,
            enters: None,
            syscalls: Some(0.123_456),
            queue_ops: Some(0.0),
            allocs: Some(0.0),
            copies: Some(1.0),
            bytes_copied: None,
        };
        let o = object(&row);
        for key in
            ["driver", "connections", "depth", "requests_per_s", "cpu_us_per_request", "p50_us", "p99_us"]
        {
            assert!(!o[key].is_null(), "{key}");
        }
        assert_eq!(o["syscalls_per_request"], 0.1235);
        assert!(o["enters_per_request"].is_null());
        assert_eq!((&o["queue_ops_per_request"], &o["allocs_per_request"]), (&json!(0.0), &json!(0.0)));
        assert_eq!(o["copies_per_value"], 1.0);
    }
}
