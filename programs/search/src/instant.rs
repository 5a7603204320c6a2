//! Points in time: RFC 3339, and what people say of the past.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the year 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

impl Instant {
    /// A date, and perhaps a time and an offset: `2025-01-31`, `2025-01-31T12:00`, `2025-01-31T12:00:00.5+09:00`. Without an
    /// offset it is UTC. Digits beyond microseconds are left out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Instant> {
        let bytes = text.as_bytes();
        let digits = |from: usize, n: usize| number(bytes.get(from..from + n)?);
        let sign = |at: usize, b: u8| (bytes.get(at) == Some(&b)).then_some(());
        let (year, month, day) = (digits(0, 4)?, digits(5, 2)?, digits(8, 2)?);
        sign(4, b'-').and(sign(7, b'-'))?;
        let days = days(year, month, day)?;
        if bytes.len() == 10 {
            return Some(Instant(days * DAY));
        }
        if !matches!(bytes[10], b'T' | b't' | b' ') {
            return None;
        }
        let (hour, minute) = (digits(11, 2)?, digits(14, 2)?);
        sign(13, b':')?;
        let (mut at, mut second, mut micros) = (16, 0, 0);
        if bytes.get(at) == Some(&b':') {
            second = digits(at + 1, 2)?;
            at += 3;
            if let Some(b'.' | b',') = bytes.get(at) {
                let fraction = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
                if fraction == 0 {
                    return None;
                }
                for i in 0..6 {
                    let digit = if i < fraction { i64::from(bytes[at + 1 + i] - b'0') } else { 0 };
                    micros = micros * 10 + digit;
                }
                at += 1 + fraction;
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let offset = offset(&bytes[at..])?;
        let seconds = hour * 3600 + minute * 60 + second - offset;
        Some(Instant(days * DAY + seconds * SECOND + micros))
    }

    /// As [`parse`](Self::parse), and before `now`: `now`, `today`, `yesterday`, `2 days ago`, `an hour ago`.
    #[must_use]
    pub fn parse_before(text: &str, now: Instant) -> Option<Instant> {
        let midnight = now.0.div_euclid(DAY) * DAY;
        match text.trim() {
            "now" => return Some(now),
            "today" => return Some(Instant(midnight)),
            "yesterday" => return Some(Instant(midnight - DAY)),
            _ => {}
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let [count, unit, "ago"] = words[..] else { return Instant::parse(text) };
        let count: i64 =
            if matches!(count, "a" | "an") { 1 } else { count.parse().ok().filter(|n| *n >= 0)? };
        let seconds = match unit.strip_suffix('s').unwrap_or(unit) {
            "second" | "sec" => 1,
            "minute" | "min" => 60,
            "hour" => 3600,
            "day" => 86_400,
            "week" => 7 * 86_400,
            // As a person means it who does not look at a calendar.
            "month" => 30 * 86_400,
            "year" => 365 * 86_400,
            _ => return None,
        };
        Some(Instant(now.0.checked_sub(count.checked_mul(seconds)?.checked_mul(SECOND)?)?))
    }

    /// Now.
    #[must_use]
    pub fn now() -> Instant {
        SystemTime::now().into()
    }
}

impl From<SystemTime> for Instant {
    fn from(time: SystemTime) -> Instant {
        Instant(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => ((after.as_nanos() + 500) / 1000) as i64,
            Err(before) => -(before.duration().as_micros() as i64),
        })
    }
}

/// RFC 3339 in UTC, with as many digits as it takes.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let (seconds, micros) = (rest / SECOND, rest % SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match micros {
            0 => {}
            n if n % 1000 == 0 => write!(f, ".{:03}", n / 1000)?,
            n => write!(f, ".{n:06}")?,
        }
        f.write_str("Z")
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
}

/// Seconds east of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let sign = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = match &text[1..] {
        [h @ .., b':', m1, m2] if h.len() == 2 => (number(h)?, number(&[*m1, *m2])?),
        [h1, h2, m1, m2] => (number(&[*h1, *h2])?, number(&[*m1, *m2])?),
        [h1, h2] => (number(&[*h1, *h2])?, 0),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days since 1970 of a day of the Gregorian calendar, if there is such a day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if year < 1 || !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468)
}

/// The day, and the reverse of [`days`].
fn date(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, of_year - (153 * m + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_name_the_same_instant() {
        let utc = Instant::parse("2025-01-01T00:30:00.250Z").unwrap();
        assert_eq!(utc.0, 1_735_691_400_250_000);
        for same in
            ["2025-01-01T09:30:00.250+09:00", "2024-12-31T23:30:00.25-0100", "2025-01-01 00:30:00.250000999"]
        {
            assert_eq!(Instant::parse(same), Some(utc), "{same}");
        }
        assert_eq!(utc.to_string(), "2025-01-01T00:30:00.250Z");
        assert_eq!(Instant::parse("2025-01-01").unwrap().to_string(), "2025-01-01T00:00:00Z");
    }

    #[test]
    fn days_that_are_none_are_refused() {
        for bad in [
            "",
            "soon",
            "2025-02-29",
            "2025-13-01",
            "2025-00-10",
            "2025-04-31",
            "2025-01-01T24:00",
            "2025-01-01T10:60",
            "2025-01-01T10:00:00.",
            "2025-01-01T10:00:00+9",
            "2025-01-01T10:00:00Zx",
            "2025/01/01",
            "2025-01-01x10:00",
            "0000-01-01",
        ] {
            assert_eq!(Instant::parse(bad), None, "{bad}");
        }
        assert!(Instant::parse("2024-02-29").is_some() && Instant::parse("1900-02-29").is_none());
    }

    #[test]
    fn every_day_is_written_as_it_is_read() {
        for day in (-700_000..700_000).step_by(61) {
            let text = Instant(day * DAY).to_string();
            assert_eq!(Instant::parse(&text), Some(Instant(day * DAY)), "{text}");
        }
    }

    #[test]
    fn the_past_is_counted_from_now() {
        let now = Instant::parse("2025-03-10T12:00:00Z").unwrap();
        let said = |text| Instant::parse_before(text, now).map(|i| i.to_string());
        assert_eq!(said("2 days ago").unwrap(), "2025-03-08T12:00:00Z");
        assert_eq!(said("an hour ago").unwrap(), "2025-03-10T11:00:00Z");
        assert_eq!(said("yesterday").unwrap(), "2025-03-09T00:00:00Z");
        assert_eq!(said("2025-03-01").unwrap(), "2025-03-01T00:00:00Z");
        for bad in ["2 days", "-1 days ago", "2 moons ago", "99999999999999999 years ago"] {
            assert_eq!(said(bad), None, "{bad}");
        }
    }
}
