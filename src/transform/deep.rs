//! Threads with a deep stack. Parsing, planning and optimising recurse as deep as a query nests: thirty steps one on the
//! other, or thirty nested `case`, are more than the two megabytes of an ordinary thread.

use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::error::{Error, Result};

/// Bytes of stack, of which only those used take memory.
const STACK: usize = 64 << 20;

/// Runs `work` on a thread of its own, with the timers and the I/O of the runtime it is called from. Dropping the future
/// does not end the work.
///
/// # Errors
/// What `work` gives; [`Error::Query`] naming `name` when it panics or no thread can be started.
pub(super) async fn run<T: Send + 'static>(
    name: &str,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let runtime = Handle::current();
    let work = work.in_current_span();
    let (send, receive) = oneshot::channel();
    let thread = thread::Builder::new().name(name.into()).stack_size(STACK);
    thread
        .spawn(move || {
            // The receiver is gone when nobody waits for the result any more.
            let _ = send.send(runtime.block_on(work));
        })
        .map_err(|cause| Error::query(name, "no thread can be started", cause))?;
    receive.await.map_err(|cause| Error::query(name, "panicked; its message is above", cause))?
}

/// Runs `work` on a thread of its own and waits for it.
///
/// # Errors
/// What `work` gives; [`Error::Query`] naming `name` when it panics or no thread can be started.
pub(super) fn run_blocking<T: Send>(name: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let panicked = || Error::Query { name: name.into(), message: "panicked; its message is above".into(), cause: None };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(name.into()).stack_size(STACK).spawn_scoped(scope, work);
        let thread = thread.map_err(|cause| Error::query(name, "no thread can be started", cause))?;
        thread.join().unwrap_or_else(|_| Err(panicked()))
    })
}
