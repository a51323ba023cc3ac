//! Waiting for the others that are ready to run.

use std::{future::poll_fn, task::Poll};

/// Lets every task that is ready run once before this one goes on.
///
/// A thread that writes each request as soon as it has read it wakes the other side for every one
/// of them: the other side is done with the first before the second is there. One that reads all
/// that came and then writes them one after another wakes it once. With sixteen connections this, and
/// the same for answers (`metering`'s journal), made a tenth more calls a second; alone, a call waits
/// for nobody.
pub(crate) async fn over() {
    let mut waited = false;
    poll_fn(|cx| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::RefCell, rc::Rc};

    #[test]
    fn whoever_is_ready_runs_first() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let said = Rc::new(RefCell::new(Vec::new()));
        let set = tokio::task::LocalSet::new();
        set.block_on(&runtime, async {
            let tasks: Vec<_> = (0..3)
                .map(|n| {
                    let said = Rc::clone(&said);
                    tokio::task::spawn_local(async move {
                        said.borrow_mut().push(("read", n));
                        over().await;
                        said.borrow_mut().push(("write", n));
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        let all = [("read", 0), ("read", 1), ("read", 2), ("write", 0), ("write", 1), ("write", 2)];
        assert_eq!(*said.borrow(), all);
    }
}
