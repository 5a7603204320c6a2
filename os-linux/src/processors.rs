//! How many processors this process may use at once.
//!
//! The smaller of two: the processors the calling thread may run on, and the time that its control group (version 2, mounted at
//! `/sys/fs/cgroup`, as containers have it) and those above allow, in whole processors.
//! [`std::thread::available_parallelism`] looks into control groups of version 1 and at other mount points, too, and makes a
//! small program 15 KB larger.

use std::mem::MaybeUninit;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::path::Arg;

const GROUPS: &[u8] = b"/sys/fs/cgroup";

/// See the module. At least one.
#[must_use]
pub fn processors() -> usize {
    let allowed =
        rustix::thread::sched_getaffinity(None).map_or_else(|_| online(), |set| set.count() as usize);
    allowed.min(quota().unwrap_or(usize::MAX)).max(1)
}

/// For a machine whose processors do not fit in the set.
fn online() -> usize {
    // SAFETY: it only reads.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1)
}

/// The least that the groups from ours to the root allow; None: as much as there is.
fn quota() -> Option<usize> {
    let mut room = [MaybeUninit::uninit(); 2048];
    let own = own_group(read(c"/proc/self/cgroup", &mut room)?)?;
    let mut path = [0; 1024];
    let mut least = None;
    let mut depth = own.len();
    loop {
        let group = own.get(..depth)?;
        let mut room = [MaybeUninit::uninit(); 64];
        let limit = limit_file(&mut path, group).and_then(|file| allowed(read(file, &mut room)?));
        least = least.into_iter().chain(limit).min();
        match group.iter().rposition(|b| *b == b'/') {
            Some(parent) => depth = parent,
            None => return least,
        }
    }
}

/// `/sys/fs/cgroup` + `group` + `/cpu.max`, in `path`. None: it has no room.
fn limit_file<'a>(path: &'a mut [u8], group: &[u8]) -> Option<&'a [u8]> {
    let mut len = 0;
    for part in [GROUPS, group, b"/cpu.max"] {
        path.get_mut(len..len + part.len())?.copy_from_slice(part);
        len += part.len();
    }
    path.get(..len)
}

/// The group in the line of version 2 of `/proc/self/cgroup`, without the slash at its end; the root is empty.
fn own_group(text: &[u8]) -> Option<&[u8]> {
    let group = text.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    Some(group.strip_suffix(b"/").unwrap_or(group))
}

/// `QUOTA PERIOD` in microseconds as processors; `max PERIOD` is no limit.
fn allowed(text: &[u8]) -> Option<usize> {
    let mut words = text.trim_ascii().split(|b| *b == b' ').map(number);
    let (quota, period) = (words.next()??, words.next()??);
    quota.checked_div(period)
}

fn number(digits: &[u8]) -> Option<usize> {
    let digit = |n: Option<usize>, b: &u8| {
        n?.checked_mul(10)?.checked_add(usize::from(b.checked_sub(b'0').filter(|d| *d < 10)?))
    };
    if digits.is_empty() { None } else { digits.iter().fold(Some(0), digit) }
}

/// The beginning of a file, as much as there is room for.
fn read(path: impl Arg, room: &mut [MaybeUninit<u8>]) -> Option<&[u8]> {
    let file = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let (bytes, _) = rustix::io::read(file, room).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_in_whole_processors() {
        assert_eq!(allowed(b"max 100000\n"), None);
        assert_eq!(allowed(b"200000 100000\n"), Some(2));
        assert_eq!(allowed(b"150000 100000"), Some(1));
        assert_eq!(allowed(b"1000 100000\n"), Some(0));
        for bad in [b"".as_slice(), b"7", b"7 0", b"-1 5", b"7 x", b"99999999999999999999999 1"] {
            assert_eq!(allowed(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_group_is_found_among_those_of_version_1() {
        assert_eq!(own_group(b"0::/\n"), Some(b"".as_slice()));
        assert_eq!(
            own_group(b"12:cpu:/a\n0::/user.slice/b\n1:name=x:/c\n"),
            Some(b"/user.slice/b".as_slice())
        );
        assert_eq!(own_group(b"12:cpu:/a\n"), None);
    }

    #[test]
    fn a_path_that_is_too_long_is_none() {
        let mut path = [0; 40];
        assert_eq!(limit_file(&mut path, b"/a"), Some(b"/sys/fs/cgroup/a/cpu.max".as_slice()));
        assert_eq!(limit_file(&mut path, &[b'x'; 19]), None);
    }

    #[test]
    fn the_threads_mask_counts() {
        let all = rustix::thread::sched_getaffinity(None).unwrap();
        let one = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
        let on_one = std::thread::spawn(move || {
            let mut set = rustix::thread::CpuSet::new();
            set.set(one);
            rustix::thread::sched_setaffinity(None, &set).unwrap();
            processors()
        });
        assert_eq!(on_one.join().unwrap(), 1);
        // The standard library's count takes groups of version 1 into account, too.
        let all = std::thread::available_parallelism().unwrap().get();
        if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            assert_eq!(processors(), all);
        } else {
            assert!(processors() >= all);
        }
    }
}
