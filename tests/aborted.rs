//! Tasks aborted wherever they stand, over files, sockets, children and blocking jobs: no descriptor and no child is left.
//!
//! A binary of its own, as descriptors and children are the process's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ouzel::fs::{self, File, OpenOptions};
use ouzel::net::{UnixStream, lookup_host, send_file};
use ouzel::process::Command;
use ouzel::time::{sleep, timeout};
use ouzel_tests::dice::Dice;
use ouzel_tests::{Setup, drivers, until, watchdog};

const TASKS: usize = 16;
const ABORTS: usize = 60;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Children that nobody has waited for yet, over the threads that may have made them.
fn children() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.map(|list| list.split_whitespace().count()).sum()
}

async fn write_and_read(path: &Path, dice: &mut Dice) {
    let Ok(file) = OpenOptions::new().read(true).write(true).create(true).open(path).await else { return };
    let _ = file.write_all_at(vec![1u8; 5000], dice.below(10_000)).await;
    let _ = file.sync_data().await;
    let _ = file.read_at(Vec::with_capacity(3000), 0).await;
    let _ = file.close().await;
}

async fn walk(dir: &Path) {
    let Ok(mut entries) = fs::read_dir(dir).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let _ = entry.metadata().await;
    }
}

async fn send_to_itself(path: &Path) {
    let (Ok(file), Ok((from, to))) = (File::open(path).await, UnixStream::pair()) else { return };
    let sending = ouzel::spawn(async move { send_file(&file, 0, 50_000, &from).await });
    let mut room = Vec::with_capacity(4096);
    while let (Ok(1..), buf) = to.read(room).await {
        room = buf;
    }
    let _ = sending.await;
}

/// What a program may be doing when it is told to stop, for ever.
async fn works(dir: Arc<PathBuf>, mut dice: Dice) {
    loop {
        let path = dir.join(dice.below(20).to_string());
        let other = dir.join(dice.below(20).to_string());
        match dice.below(10) {
            0 => drop(fs::write(&path, vec![7u8; dice.below(100_000) as usize]).await),
            1 => drop(fs::read(&path).await),
            2 => drop(fs::copy(&path, &other).await),
            3 => walk(&dir).await,
            4 => drop(fs::rename(&path, &other).await),
            5 => drop(Command::new("sleep").arg("0.01").kill_on_drop(true).status().await),
            6 => drop(timeout(dice.moment(500), fs::read(&path)).await),
            7 => drop(lookup_host("localhost:80").await),
            8 => send_to_itself(&path).await,
            _ => write_and_read(&path, &mut dice).await,
        }
    }
}

fn run(setup: Setup, dir: &Arc<PathBuf>) {
    let runtime = setup.shared();
    runtime.block_on(async {
        let mut dice = Dice(setup.workers as u64);
        let mut tasks: Vec<_> =
            (0..TASKS as u64).map(|i| ouzel::spawn(works(Arc::clone(dir), Dice(i)))).collect();
        for i in 0..ABORTS as u64 {
            sleep(dice.moment(3000)).await;
            let next = ouzel::spawn(works(Arc::clone(dir), Dice(1000 + i)));
            let old = std::mem::replace(&mut tasks[dice.below(TASKS as u64) as usize], next);
            old.abort();
            if dice.below(2) == 0 {
                assert!(old.await.is_err(), "it never ends by itself");
            }
        }
    });
}

#[test]
fn what_aborted_tasks_had_is_given_back() {
    let dir = Arc::new(std::env::temp_dir().join(format!("ouzel-aborted-{}", std::process::id())));
    std::fs::create_dir_all(&*dir).unwrap();
    for driver in drivers() {
        let mut kept = usize::MAX;
        for round in 0..5 {
            let setup = Setup { driver, workers: 1 + round % 2 };
            let there = Arc::clone(&dir);
            watchdog(&format!("{setup:?}"), move || run(setup, &there));
            watchdog(&format!("{driver}: children in round {round}"), || until(|| children() == 0));
            // The first rounds open what the process keeps: the pipe that signals come through. Later ones add nothing.
            let name = format!("{driver}: more than {kept} descriptors in round {round}");
            watchdog(&name, move || until(|| open_descriptors() <= kept));
            if round == 1 {
                kept = open_descriptors();
            }
        }
    }
    std::fs::remove_dir_all(&*dir).unwrap();
}
