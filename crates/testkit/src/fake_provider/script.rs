//! What a test told the provider to do, and what has happened there so far.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Answer, Ending, Seen, openai};

type Rule = (String, Arc<dyn Fn(&Seen) -> Answer + Send + Sync>);

#[derive(Default)]
pub(super) struct Script {
    pub(super) next: VecDeque<Answer>,
    pub(super) keys: Option<HashSet<String>>,
    pub(super) rules: Vec<Rule>,
    pub(super) read_rate: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) requests: Vec<Seen>,
    pub(super) broken: Vec<Seen>,
    pub(super) endings: Vec<Ending>,
    pub(super) open: usize,
    pub(super) accepted: u64,
}

/// What the test's thread and the provider's share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    script: Mutex<Script>,
    log: Mutex<Log>,
    changed: watch::Sender<()>,
}

impl Shared {
    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Changes the log, then wakes whoever waits for a change.
    pub(super) fn note<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        let result = change(&mut self.log());
        self.changed.send_replace(());
        result
    }

    pub(super) fn answer(&self, request: &Seen) -> Answer {
        let mut script = self.script();
        if let Some(answer) = script.next.pop_front() {
            return answer;
        }
        if let Some(keys) = &script.keys {
            match request.bearer() {
                None => return Answer::key_missing(),
                Some(key) if !keys.contains(key) => return Answer::key_rejected(key),
                Some(_) => {}
            }
        }
        let rule = script.rules.iter().rev().find(|(path, _)| request.path().ends_with(path));
        let rule = rule.map(|(_, answer)| Arc::clone(answer));
        drop(script);
        rule.map_or_else(|| openai::answer(request), |rule| rule(request))
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.rules.iter().map(|(path, _)| path).collect();
        f.debug_struct("Script")
            .field("next", &self.next.len())
            .field("keys", &self.keys.as_ref().map(HashSet::len))
            .field("rules", &paths)
            .finish_non_exhaustive()
    }
}
