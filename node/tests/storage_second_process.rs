//! A second process that opens a store in use gets a clear error; once the first has ended, it does not.

mod storage_help;
use storage_help::*;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use paxoskv::storage::LogStorage;

const DIR: &str = "PAXOSKV_TEST_HOLDER_DIR";

#[test]
fn a_second_process_is_told_that_the_store_is_in_use() {
    if let Some(dir) = std::env::var_os(DIR) {
        let _held = LogStorage::open(dir.as_ref()).unwrap();
        println!("\nholding");
        std::io::stdout().flush().unwrap();
        let _ = std::io::stdin().lines().next(); // Until the parent lets go.
        return;
    }
    let (dir, before) = filled();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_second_process_is_told_that_the_store_is_in_use", "--nocapture"])
        .env(DIR, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "holding"));

    let error = LogStorage::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("in use by another process") && error.contains(&dir.path().display().to_string()),
        "{error}"
    );

    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(open_and_load(dir.path()).unwrap(), before, "a killed process leaves no lock behind");
}

#[test]
fn the_same_process_cannot_open_a_store_twice_either() {
    let (dir, _) = filled();
    let _held = LogStorage::open(dir.path()).unwrap();
    assert!(LogStorage::open(dir.path()).unwrap_err().to_string().contains("in use"));
}
