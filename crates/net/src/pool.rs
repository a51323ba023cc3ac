//! Idle connections of one thread, kept apart by origin and, for a customer's origin, by project.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, client::conn::http1::SendRequest};

use crate::{
    alarm::Alarm,
    driver::{Driver, Wire},
    send_body::{Outgoing, Upload},
    send_error::SendError,
    target::Base,
};

/// Sweeps in the time an idle connection is kept.
const SWEEPS: u32 = 9;

/// Most customers' origins remembered by a thread.
const CUSTOMER_ORIGINS: usize = 1024;

/// Most idle connections a thread keeps for one customer's origin, and for all of them together:
/// who has many origins must not use up the descriptors.
const CUSTOMER_IDLE: usize = 64;
const ALL_CUSTOMERS_IDLE: usize = 512;

/// Most idle connections kept for one of the operator's origins.
const TRUSTED_IDLE: usize = 1024;

/// With whom a connection may be shared.
#[derive(PartialEq, Eq, Hash, Clone)]
struct Destination {
    project: Option<Arc<str>>,
    origin: Arc<str>,
}

impl Destination {
    fn of(base: &Base) -> Self {
        let project = match base {
            Base::Trusted(_) => None,
            Base::Customer { project, .. } => Some(Arc::clone(project)),
        };
        Self { project, origin: Arc::clone(&base.endpoint().origin) }
    }
}

/// One thread's idle connections.
///
/// The locks are here because the runtime may move a call to another thread between its head and
/// its body; where it cannot (a runtime per thread, as the server has) nobody ever waits for them.
#[derive(Default)]
pub(crate) struct Pool {
    slots: Mutex<HashMap<Destination, Arc<Slot>>>,
    sweeps: Arc<AtomicU32>,
    swept: AtomicBool,
    customers_idle: Arc<AtomicUsize>,
}

impl Pool {
    /// The connections that a call to this base may use.
    pub(crate) fn slot(&self, base: &Base) -> Arc<Slot> {
        let destination = Destination::of(base);
        let now = self.sweeps.load(Ordering::Relaxed);
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(&destination) {
            slot.used.store(now, Ordering::Relaxed);
            return Arc::clone(slot);
        }
        if destination.project.is_some() {
            make_room(&mut slots);
        }
        let customers = destination.project.is_some().then(|| Arc::clone(&self.customers_idle));
        let slot = Arc::new(Slot {
            idle: Mutex::default(),
            used: now.into(),
            sweeps: Arc::clone(&self.sweeps),
            customers,
        });
        slots.insert(destination, Arc::clone(&slot));
        slot
    }

    /// Starts the sweeper of this pool unless it runs. Called for each new connection.
    pub(crate) fn keep_swept(self: &Arc<Self>, keep: Duration) {
        if self.swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let sweeper = Sweeper(Arc::downgrade(self));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(keep / SWEEPS).await;
                match sweeper.0.upgrade() {
                    Some(pool) if pool.sweep() => {}
                    _ => return,
                }
            }
        });
    }

    /// Closes what has been idle too long; false once there is nothing left to watch.
    fn sweep(&self) -> bool {
        let now = self.sweeps.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut slots = lock(&self.slots);
        slots.retain(|_, slot| {
            lock(&slot.idle).retain(|idle| idle.connection.is_worth_keeping(now));
            Arc::strong_count(slot) > 1 || !lock(&slot.idle).is_empty()
        });
        !slots.is_empty()
    }
}

/// Forgets the customer's origin that was called the longest time ago, if there are too many.
fn make_room(slots: &mut HashMap<Destination, Arc<Slot>>) {
    if slots.len() < CUSTOMER_ORIGINS {
        return;
    }
    let customers = slots.iter().filter(|(destination, _)| destination.project.is_some());
    let oldest = customers.min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed));
    if let Some(oldest) = oldest.map(|(destination, _)| destination.clone()) {
        slots.remove(&oldest);
    }
}

/// Lets the next connection start a new sweeper, however this one ends.
struct Sweeper(Weak<Pool>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.swept.store(false, Ordering::Relaxed);
        }
    }
}

/// The idle connections to one destination.
pub(crate) struct Slot {
    idle: Mutex<Vec<Idle>>,
    /// The sweep before the last call began.
    used: AtomicU32,
    /// The pool's clock: it ticks once a sweep, and reading it costs nothing.
    sweeps: Arc<AtomicU32>,
    /// How many idle connections all customers' origins have, if this is one.
    customers: Option<Arc<AtomicUsize>>,
}

struct Idle {
    connection: Connection,
    _place: Option<Place>,
}

/// One of the places for customers' idle connections.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        if taken.load(Ordering::Relaxed) >= ALL_CUSTOMERS_IDLE {
            return None;
        }
        taken.fetch_add(1, Ordering::Relaxed);
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slot {
    /// The connection that was idle the shortest time, so that the others may age and go.
    ///
    /// Whether the upstream has closed it meanwhile nobody has looked: the exchange will tell, before
    /// it has sent anything.
    pub(crate) fn take(&self) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        for at in (0..idle.len()).rev() {
            if idle[at].connection.sender.is_ready() {
                return Some(idle.remove(at).connection);
            }
            if idle[at].connection.sender.is_closed() {
                idle.remove(at);
            }
        }
        None
    }

    fn put(&self, mut connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        connection.idle_since = self.sweeps.load(Ordering::Relaxed);
        let mut idle = lock(&self.idle);
        let (place, most) = match &self.customers {
            None => (None, TRUSTED_IDLE),
            Some(taken) => match Place::take(taken) {
                None => return,
                place => (place, CUSTOMER_IDLE),
            },
        };
        if idle.len() < most {
            idle.push(Idle { connection, _place: place });
        }
    }
}

/// An open connection and what drives it; dropping it closes the socket.
pub(crate) struct Connection {
    sender: SendRequest<Outgoing>,
    driver: Driver,
    alarm: Alarm,
    idle_since: u32,
}

impl Connection {
    pub(crate) fn new(sender: SendRequest<Outgoing>, wire: Wire, alarm: Alarm) -> Self {
        Self { sender, driver: Driver::new(wire), alarm, idle_since: 0 }
    }

    /// A connection put back with its exchange unfinished (an answer before the end of a long
    /// upload) gets the time to the next sweep but one to finish.
    fn is_worth_keeping(&self, now: u32) -> bool {
        let age = now.wrapping_sub(self.idle_since);
        age <= SWEEPS && (age <= 1 || self.sender.is_ready())
    }
}

/// A connection in use. Dropped, it closes the connection; given back, it keeps it.
pub(crate) struct Lease {
    connection: Connection,
    slot: Arc<Slot>,
}

/// Why an exchange got no answer.
pub(crate) enum Failure {
    /// The connection was gone before a byte was written; here is the request.
    NotSent(Box<Request<Outgoing>>),
    /// No going back.
    Final(SendError),
}

impl Lease {
    pub(crate) fn new(connection: Connection, slot: Arc<Slot>) -> Self {
        Self { connection, slot }
    }

    /// Keeps the connection for the next call. One whose exchange is not over on the wire yet
    /// goes on by itself until it is.
    pub(crate) fn give_back(mut self) {
        if !self.connection.sender.is_ready() {
            self.connection.driver.go_on_alone();
        }
        self.slot.put(self.connection);
    }

    /// Lets the connection read and write: whoever waits for an answer moves its connection.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        self.connection.driver.poll(cx);
    }

    /// Sends the request and waits for the head of the answer. The wait starts anew whenever a
    /// piece of a streamed body has been taken.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Outgoing>,
        upload: Option<&Upload>,
        first_byte: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let Connection { sender, driver, alarm, .. } = &mut self.connection;
        let mut answer = pin!(sender.try_send_request(request));
        alarm.set(first_byte);
        let answer = poll_fn(|cx| {
            driver.poll(cx);
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(Some(answer));
            }
            while alarm.poll(cx).is_ready() {
                if !upload.is_some_and(Upload::moved) {
                    return Poll::Ready(None);
                }
                alarm.set(first_byte);
            }
            Poll::Pending
        });
        match answer.await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(mut error)) => Err(match error.take_message() {
                Some(request) => Failure::NotSent(Box::new(request)),
                None => Failure::Final(error.into_error().into()),
            }),
            None => Err(Failure::Final(SendError::Timeout { sent: true })),
        }
    }

    /// Lets the connection see that its exchange is over, if it has not.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>) {
        if !self.connection.sender.is_ready() {
            self.drive(cx);
        }
    }

    /// Starts a wait within the answer's body.
    pub(crate) fn start_waiting(&mut self, limit: Duration) {
        self.connection.alarm.set(limit);
    }

    /// Ready once that wait has taken too long.
    pub(crate) fn poll_waited_too_long(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.alarm.poll(cx)
    }
}

/// Nothing panics while it holds one of these locks, so a poisoned one is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
