//! A target that hangs does not hold the process: one signal ends a read at once, with the code of the signal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use tokio::net::TcpListener;

use crate::support::{PATIENCE, Workplace, finish, signal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_from_a_target_that_hangs_ends_with_the_signal() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Workplace::of_files(&[]);
    // Longer than the test waits: only the signal can end it.
    place.add_target("dev", &format!("http://{}/api", silent.local_addr().unwrap()), "timeout = 3600");
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let child = place.call("flex get /assets").spawn().unwrap();
        let _held = tokio::time::timeout(PATIENCE, silent.accept()).await.expect("no connection").unwrap();
        signal(name, child.id().unwrap());
        let done = finish(child).await.code(code);
        assert!(done.stderr.contains(&format!("stopped by signal {}", code - 128)), "{}", done.stderr);
    }
}
