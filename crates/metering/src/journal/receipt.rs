//! The promise of durability for one record, and those who wait for it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::JournalError;
use super::spool::Spool;

/// Resolves when its record is durable; a future that may be polled wherever the caller lives.
///
/// Dropping it changes nothing about the record.
#[derive(Debug)]
#[must_use = "the record is not durable before the receipt resolves"]
pub struct Receipt {
    seq: u64,
    progress: Arc<Progress>,
    turn: Option<Turn>,
    registered: Option<Registration>,
}

/// In which circle it stands, and how it is woken.
#[derive(Debug)]
struct Registration {
    circle: usize,
    waker: Waker,
}

/// The turn of a thread that runs tasks: until all that were ready have run once. Whoever appends
/// the first record of a turn writes what the turn gathered when it is over: ten answers that were
/// ready together take one write, and then go out together.
struct Turn {
    spool: Arc<Spool>,
    over: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.spool.end_turn();
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("over", &self.over).finish_non_exhaustive()
    }
}

impl Receipt {
    /// A receipt for record `seq`; with a `spool` for the one that begins a turn.
    pub(crate) fn new(seq: u64, progress: Arc<Progress>, spool: Option<Arc<Spool>>) -> Self {
        let turn = spool.map(|spool| Turn { spool, over: false });
        Self { seq, progress, turn, registered: None }
    }

    /// Whether the record is known to be durable.
    pub fn is_ready(&self) -> bool {
        self.progress.acked() >= self.seq
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), JournalError>> {
        if let Some(turn) = &mut self.turn {
            if !turn.over {
                turn.over = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.turn = None;
        }
        if let Some(outcome) = self.progress.outcome(self.seq) {
            self.pass_on();
            return Poll::Ready(outcome);
        }
        let known = self.registered.as_ref();
        if known.is_some_and(|registered| registered.waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        self.leave();
        let circle = Circles::of_this_thread();
        let mut standing = self.progress.circles.lock(circle);
        // Again, under the lock: `settle` may just have passed by.
        if let Some(outcome) = self.progress.outcome(self.seq) {
            return Poll::Ready(outcome);
        }
        let waker = cx.waker().clone();
        standing.waiting.push((self.seq, waker.clone()));
        drop(standing);
        self.registered = Some(Registration { circle, waker });
        Poll::Pending
    }

    /// Wakes the others of the circle whose wait is over.
    fn pass_on(&mut self) {
        if let Some(Registration { circle, .. }) = self.registered.take() {
            let next = std::mem::take(&mut self.progress.circles.lock(circle).next);
            next.into_iter().for_each(Waker::wake);
        }
    }

    /// Stops waiting; the word that was meant for this one goes to the others.
    fn leave(&mut self) {
        let Some(Registration { circle, .. }) = &self.registered else { return };
        let mut standing = self.progress.circles.lock(*circle);
        let before = standing.waiting.len();
        standing.waiting.retain(|(seq, _)| *seq != self.seq);
        if standing.waiting.len() == before {
            drop(standing);
            self.pass_on();
        } else {
            self.registered = None;
        }
    }
}

impl Future for Receipt {
    type Output = Result<(), JournalError>;

    /// # Errors
    /// [`JournalError::NotDurable`] when the disk did not confirm the record: whoever waits must
    /// then not act as if it were kept. (It may be, if the disk comes back.)
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Self::poll(&mut self, cx)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.leave();
    }
}

/// How far the journal is durable.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    acked: AtomicU64,
    failed: AtomicU64,
    circles: Circles,
}

/// Those who wait, a circle for each of the threads they wait on (or for a few of them).
///
/// The thread that syncs wakes one of a circle, and that one wakes the others: to wake a task of
/// another thread takes a system call, to wake one of the same thread takes none.
#[derive(Debug, Default)]
struct Circles([Mutex<Circle>; 16]);

#[derive(Debug, Default)]
struct Circle {
    waiting: Vec<(u64, Waker)>,
    /// Whose wait is over, to be woken by the one that was woken first.
    next: Vec<Waker>,
}

thread_local! {
    static CIRCLE: usize = NEXT_CIRCLE.fetch_add(1, Ordering::Relaxed);
}

static NEXT_CIRCLE: AtomicUsize = AtomicUsize::new(0);

impl Circles {
    fn of_this_thread() -> usize {
        CIRCLE.with(|circle| *circle)
    }

    fn lock(&self, circle: usize) -> MutexGuard<'_, Circle> {
        self.0[circle % self.0.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    pub(crate) fn starting_at(seq: u64) -> Self {
        Self { acked: AtomicU64::new(seq), ..Self::default() }
    }

    /// The last record that is durable.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::SeqCst)
    }

    /// Everything through `seq` is durable.
    pub(crate) fn acknowledge(&self, seq: u64) {
        self.acked.fetch_max(seq, Ordering::SeqCst);
        self.settle(seq, None);
    }

    /// The same, said by the thread on which most of those wait.
    pub(crate) fn acknowledge_here(&self, seq: u64) {
        self.acked.fetch_max(seq, Ordering::SeqCst);
        self.settle(seq, Some(Circles::of_this_thread()));
    }

    /// Everything through `seq` that is not durable has failed to be.
    pub(crate) fn fail(&self, seq: u64) {
        self.failed.fetch_max(seq, Ordering::SeqCst);
        self.settle(seq, None);
    }

    fn outcome(&self, seq: u64) -> Option<Result<(), JournalError>> {
        if self.acked() >= seq {
            Some(Ok(()))
        } else if self.failed.load(Ordering::SeqCst) >= seq {
            Some(Err(JournalError::NotDurable))
        } else {
            None
        }
    }

    /// Wakes those whose wait is over: all of the circle `here`, one of each other.
    fn settle(&self, through: u64, here: Option<usize>) {
        for circle in 0..self.circles.0.len() {
            let mut standing = self.circles.lock(circle);
            if standing.waiting.is_empty() {
                continue;
            }
            let Circle { waiting, next } = &mut *standing;
            next.extend(waiting.extract_if(.., |(seq, _)| *seq <= through).map(|(_, waker)| waker));
            let woken = match here.map(|here| here % self.circles.0.len()) {
                Some(here) if here == circle => std::mem::take(next),
                _ => next.pop().into_iter().collect(),
            };
            drop(standing);
            woken.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Receipts for records 1 to `n`, each waiting with a waker of its own.
    fn waiting(progress: &Arc<Progress>, n: u64) -> Vec<(Pin<Box<Receipt>>, Arc<Count>)> {
        let wait = |seq| {
            let mut receipt = Box::pin(Receipt::new(seq, Arc::clone(progress), None));
            let count = Arc::new(Count::default());
            assert!(poll(&mut receipt, &count).is_pending());
            (receipt, count)
        };
        (1..=n).map(wait).collect()
    }

    fn poll(receipt: &mut Pin<Box<Receipt>>, count: &Arc<Count>) -> Poll<Result<(), JournalError>> {
        let waker = Waker::from(Arc::clone(count));
        receipt.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn woken(waiting: &[(Pin<Box<Receipt>>, Arc<Count>)]) -> Vec<usize> {
        waiting.iter().map(|(_, count)| count.0.load(Ordering::SeqCst)).collect()
    }

    #[test]
    fn one_is_woken_and_wakes_the_others_whose_wait_is_over() {
        let progress = Arc::new(Progress::default());
        let mut all = waiting(&progress, 4);
        progress.acknowledge(3);
        assert_eq!(woken(&all).iter().sum::<usize>(), 1);
        let first = woken(&all).iter().position(|times| *times == 1).expect("one");
        let (receipt, count) = &mut all[first];
        assert!(matches!(poll(receipt, count), Poll::Ready(Ok(()))));
        assert_eq!(woken(&all), [1, 1, 1, 0]);
        progress.fail(4);
        assert_eq!(woken(&all), [1, 1, 1, 1]);
        let (receipt, count) = &mut all[3];
        assert!(matches!(poll(receipt, count), Poll::Ready(Err(JournalError::NotDurable))));
    }

    #[test]
    fn one_that_leaves_takes_nobodys_word_with_it() {
        let progress = Arc::new(Progress::default());
        // Before the word: it is not the one that is woken.
        let mut all = waiting(&progress, 2);
        let (gone, count) = all.pop().expect("two");
        drop(gone);
        progress.acknowledge(2);
        assert_eq!((woken(&all), count.0.load(Ordering::SeqCst)), (vec![1], 0));
        // After the word, and before it was polled.
        let progress = Arc::new(Progress::default());
        let mut all = waiting(&progress, 3);
        progress.acknowledge(3);
        let first = woken(&all).iter().position(|times| *times == 1).expect("one");
        drop(all.remove(first));
        assert_eq!(woken(&all), [1, 1]);
    }

    #[test]
    fn one_that_moves_to_another_task_is_woken_there() {
        let progress = Arc::new(Progress::default());
        let (mut receipt, before) = waiting(&progress, 1).pop().expect("one");
        let after = Arc::new(Count::default());
        assert!(poll(&mut receipt, &after).is_pending());
        progress.acknowledge(1);
        let times = |count: &Count| count.0.load(Ordering::SeqCst);
        assert_eq!((times(&before), times(&after)), (0, 1));
    }
}
