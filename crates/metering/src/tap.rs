//! Relays an answer and reads its usage in passing; holds back only the end, until it is recorded.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use byok_domain::{AnswerReader, ErrorClass, Findings, Seen};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

use crate::journal::Receipt;
use crate::meter::{Closed, OpenCall, Summary};

/// Why a relayed answer ended before its end.
#[derive(Debug, Error)]
pub enum TapError<E> {
    /// The provider's answer broke off.
    #[error("the provider's answer broke off")]
    Upstream(#[source] E),
    /// The provider's stream ended without its end.
    #[error("the provider's stream ended before its last event")]
    Incomplete,
    /// The call's record could not be kept, so the caller is not told that it is complete.
    #[error("the call could not be recorded")]
    Unrecorded,
}

/// Why an answer that is here is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsettled {
    /// It is no whole document.
    Incomplete,
    /// Its call's record could not be kept.
    Unrecorded,
}

/// An answer on its way through.
///
/// Every frame goes on as it comes, the same bytes, without waiting. The one exception is the frame
/// that carries the end: it goes on when the call's record is durable.
pub struct Tap<B> {
    body: B,
    reader: Box<dyn AnswerReader>,
    call: OpenCall,
    state: State,
    summary: Summary,
    /// Whether the caller has left, and the rest is read for its usage alone.
    left: bool,
}

enum State {
    /// Frames pass.
    Flowing,
    /// The end is held until the record is durable.
    Recording(Receipt, Option<Frame<Bytes>>),
    /// Recorded; whatever still comes passes.
    Recorded,
    /// Recorded as one that broke off, which is told once what came of it has passed.
    Cut,
    /// Over, or broken.
    Over,
}

impl<B> Tap<B> {
    /// Relays `body`.
    pub fn new(body: B, reader: Box<dyn AnswerReader>, call: OpenCall) -> Self {
        let (state, summary) = (State::Flowing, Summary::default());
        Self { body, reader, call, state, summary, left: false }
    }

    /// Whether the answer is still under way and its call not recorded.
    pub fn is_flowing(&self) -> bool {
        matches!(self.state, State::Flowing)
    }

    /// Gives the answer up: it has turned out to be none. Its call is recorded as one that broke off.
    pub fn give_up(&mut self) {
        if self.is_flowing() {
            let findings = self.reader.finish();
            self.record(Some(ErrorClass::Truncated), &findings);
            self.state = State::Over;
        }
    }

    /// Notes that the caller has left: whatever comes now, its call is recorded as one of those.
    pub fn caller_left(&mut self) {
        self.left = true;
    }

    /// What the call used and cost; known once the answer has ended.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Records the call with what was found, and answers what to wait for.
    fn record(
        &mut self,
        error: Option<ErrorClass>,
        findings: &Findings,
    ) -> Option<Result<Receipt, ()>> {
        let error = if self.left { Some(ErrorClass::ClientClosed) } else { error };
        let closed = close(&mut self.call, &mut *self.reader, error, findings)?;
        self.summary = closed.summary;
        Some(closed.receipt.map_err(|full| tracing::error!(%full, "a call was not recorded")))
    }
}

impl<B: Body<Data = Bytes>> Tap<B> {
    /// Records a complete answer; the next state holds `frame` back as long as it takes.
    fn end<E>(&mut self, frame: Option<Frame<Bytes>>) -> Result<Option<Frame<Bytes>>, TapError<E>> {
        let findings = self.reader.finish();
        if is_cut(&findings) {
            self.record(Some(ErrorClass::Truncated), &findings);
            let rest = frame.and_then(|frame| self.all_but_the_end(frame));
            self.state = if rest.is_some() { State::Cut } else { State::Over };
            return rest.map(Some).ok_or(TapError::Incomplete);
        }
        match self.record(None, &findings) {
            Some(Ok(receipt)) if receipt.is_ready() => {
                self.state = State::Recorded;
                Ok(frame)
            }
            Some(Ok(receipt)) => {
                self.state = State::Recording(receipt, frame);
                Ok(None)
            }
            Some(Err(())) => {
                self.state = State::Over;
                Err(TapError::Unrecorded)
            }
            None => Ok(frame),
        }
    }

    /// What may pass of the last frame: where a length was announced, the caller takes the answer for
    /// whole once it has that many bytes.
    fn all_but_the_end(&self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let announced = self.body.size_hint().exact().is_some();
        let mut data = frame.into_data().ok()?;
        data.truncate(data.len().saturating_sub(usize::from(announced)));
        (!data.is_empty()).then(|| Frame::data(data))
    }
}

/// Records an answer that is here whole, so that it can go out in one piece with its head; resolves
/// when its record is durable. `cut` is the status that the caller gets if it is only half a document.
///
/// # Errors
/// [`Unsettled`], and it is not to be passed on.
pub async fn settle(
    document: &[u8],
    mut reader: Box<dyn AnswerReader>,
    call: &mut OpenCall,
    cut: u16,
) -> Result<Summary, Unsettled> {
    call.first_byte();
    reader.read(document);
    let findings = reader.finish();
    let is_cut = is_cut(&findings);
    if is_cut && let Some(record) = call.record_mut() {
        record.status = cut;
    }
    let error = is_cut.then_some(ErrorClass::Truncated);
    let closed = close(call, &mut *reader, error, &findings);
    if is_cut {
        return Err(Unsettled::Incomplete);
    }
    let Some(Closed { summary, receipt }) = closed else { return Ok(Summary::default()) };
    let receipt = receipt.map_err(|full| {
        tracing::error!(%full, "a call was not recorded");
        Unsettled::Unrecorded
    })?;
    receipt.await.map_err(|_| Unsettled::Unrecorded)?;
    Ok(summary)
}

/// Whether an answer lacks its end, and does not say itself that it failed.
fn is_cut(findings: &Findings) -> bool {
    match findings.error {
        None => !findings.complete,
        Some(error) => error == ErrorClass::Truncated,
    }
}

/// Ends the call with what was found in its answer.
fn close(
    call: &mut OpenCall,
    reader: &mut dyn AnswerReader,
    error: Option<ErrorClass>,
    findings: &Findings,
) -> Option<Closed> {
    if let Some(record) = call.record_mut() {
        // They are there, whether or not the caller got to know.
        record.objects = reader.objects();
    }
    call.close(error.or(findings.error), findings)
}

impl<B> Body for Tap<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = TapError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Flowing => match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        let seen = frame.data_ref().map_or(Seen::More, |data| {
                            this.call.first_byte();
                            this.reader.read(data)
                        });
                        if seen == Seen::More && !this.body.is_end_stream() {
                            return Poll::Ready(Some(Ok(frame)));
                        }
                        match this.end(Some(frame)) {
                            Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                            Ok(None) => {}
                            Err(error) => return Poll::Ready(Some(Err(error))),
                        }
                    }
                    Some(Err(error)) => {
                        let findings = this.reader.finish();
                        this.record(Some(ErrorClass::Truncated), &findings);
                        this.state = State::Over;
                        return Poll::Ready(Some(Err(TapError::Upstream(error))));
                    }
                    None => match this.end(None) {
                        Ok(_) if matches!(this.state, State::Recording(..)) => {}
                        Ok(_) => {
                            this.state = State::Over;
                            return Poll::Ready(None);
                        }
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    },
                },
                State::Recording(receipt, held) => {
                    let kept = ready!(Pin::new(receipt).poll(cx));
                    let held = held.take();
                    if kept.is_err() {
                        this.state = State::Over;
                        return Poll::Ready(Some(Err(TapError::Unrecorded)));
                    }
                    this.state = if held.is_some() { State::Recorded } else { State::Over };
                    return Poll::Ready(held.map(Ok));
                }
                State::Recorded => {
                    let next = ready!(Pin::new(&mut this.body).poll_frame(cx));
                    if !matches!(next, Some(Ok(_))) {
                        this.state = State::Over;
                    }
                    return Poll::Ready(next.map(|frame| frame.map_err(TapError::Upstream)));
                }
                State::Cut => {
                    this.state = State::Over;
                    return Poll::Ready(Some(Err(TapError::Incomplete)));
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.state {
            State::Flowing | State::Recording(..) | State::Cut => false,
            State::Recorded => self.body.is_end_stream(),
            State::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Flowing => self.body.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

impl<B> Drop for Tap<B> {
    /// The caller left in the middle: what the answer told so far is recorded.
    fn drop(&mut self) {
        if matches!(self.state, State::Flowing) {
            let findings = self.reader.finish();
            // Clients leave as soon as the answer has told an error: it is that which ended it. That
            // the rest is missing is their own doing.
            let told = findings.error.filter(|error| *error != ErrorClass::Truncated);
            self.record(told.or(Some(ErrorClass::ClientClosed)), &findings);
        }
    }
}
