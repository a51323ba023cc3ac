//! Notices handed to a mail server that says what it is told to say.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use byok_domain::{EventId, ProjectId, RefId, Timestamp};
use byok_webhooks::email::{MailWorker, Mailer, SenderAddress, SmtpUrl};
use byok_webhooks::{About, Notice, NoticeBox, OutboxError, Recipients};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use crate::TestClock;

/// Messages that were taken, and the answers to the next ones (`250` when there is none).
#[derive(Clone, Default)]
struct Sink {
    taken: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
}

impl Sink {
    async fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((wire, _)) = listener.accept().await {
                let own = self.clone();
                tokio::spawn(async move { own.serve(wire).await });
            }
        });
        url
    }

    async fn serve(&self, wire: TcpStream) -> std::io::Result<()> {
        let mut wire = BufReader::new(wire);
        wire.write_all(b"220 sink\r\n").await?;
        let (mut message, mut line) = (None::<String>, String::new());
        while wire.read_line(&mut line).await? > 0 {
            let said = std::mem::take(&mut line);
            let answer = match (&mut message, said.trim_end()) {
                (Some(text), ".") => {
                    let answer = self.answers.lock().unwrap().pop_front().unwrap_or("250 taken");
                    if answer.starts_with("250") {
                        self.taken.lock().unwrap().push(text.clone());
                    }
                    message = None;
                    answer
                }
                (Some(text), _) => {
                    text.push_str(&said);
                    continue;
                }
                (None, "DATA") => {
                    message = Some(String::new());
                    "354 go on"
                }
                (None, "QUIT") => "221 bye",
                (None, _) => "250 fine",
            };
            wire.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }
}

/// Notices that are due now, with what they were settled with.
#[derive(Default)]
struct Notices {
    due: Mutex<Vec<Notice>>,
    settled: Mutex<Vec<(EventId, Option<Timestamp>)>>,
}

#[async_trait]
impl NoticeBox for Notices {
    async fn claim_notices(
        &self,
        _: Timestamp,
        _: Timestamp,
        _: u64,
    ) -> Result<Vec<Notice>, OutboxError> {
        Ok(std::mem::take(&mut *self.due.lock().unwrap()))
    }

    async fn settle_notice(
        &self,
        notice: &Notice,
        again: Option<Timestamp>,
    ) -> Result<(), OutboxError> {
        self.settled.lock().unwrap().push((notice.event.clone(), again));
        Ok(())
    }
}

/// Every customer's address is its refId; `nobody` has none.
struct ByRefId;

#[async_trait]
impl Recipients for ByRefId {
    async fn address(&self, _: &ProjectId, of: &RefId) -> Result<Option<String>, OutboxError> {
        Ok(Some(of.to_string()).filter(|address| address != "nobody"))
    }
}

fn notice(event: &str, to: &str, tries: u32) -> Notice {
    Notice {
        event: EventId::new(event),
        lease: 1,
        project: ProjectId::new("proj_1"),
        project_name: "Häuschen <b>".into(),
        ref_id: RefId::parse(to).unwrap(),
        about: About::KeyInvalid { provider: "openai".into(), key_hint: "…abcd".into() },
        tries,
    }
}

/// What came of notices, given to a server that answers so.
async fn settled(
    due: Vec<Notice>,
    answers: &[&'static str],
) -> (Vec<(EventId, Option<Timestamp>)>, Vec<String>) {
    let sink = Sink::default();
    sink.answers.lock().unwrap().extend(answers);
    let url = SmtpUrl::parse(&sink.clone().start().await).unwrap();
    let mailer = Mailer::new(url, SenderAddress::parse("Keys <keys@example.com>").unwrap());
    let wanted = due.len();
    let notices = Arc::new(Notices { due: Mutex::new(due), settled: Mutex::default() });
    let (clock, runtime) = (TestClock::new(), Handle::current());
    let worker = MailWorker::start(notices.clone(), Arc::new(ByRefId), mailer, clock, &runtime);
    let began = Instant::now();
    while notices.settled.lock().unwrap().len() < wanted {
        assert!(began.elapsed() < Duration::from_secs(30), "the notices do not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(worker);
    let settled = notices.settled.lock().unwrap().clone();
    let taken = sink.taken.lock().unwrap().clone();
    (settled, taken)
}

#[tokio::test]
async fn a_customer_gets_one_message_as_text_and_as_html() {
    let due = vec![notice("evt_1", "ada@example.com", 0), notice("evt_2", "nobody", 0)];
    let (settled, taken) = settled(due, &[]).await;
    assert!(settled.iter().all(|(_, again)| again.is_none()));
    assert_eq!(taken.len(), 1, "who has no address gets nothing");
    let message = &taken[0];
    for part in [
        "From: Keys <keys@example.com>",
        "To: ada@example.com",
        "Subject: ",
        "multipart/alternative",
        "text/plain",
        "text/html",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[tokio::test]
async fn what_the_server_puts_off_is_tried_again_and_what_it_refuses_is_not() {
    let to = "ada@example.com";
    let due = vec![
        notice("evt_later", to, 0),
        notice("evt_never", to, 0),
        notice("evt_last", to, 4),
        notice("evt_silly", "not an address", 0),
    ];
    let (settled, taken) = settled(due, &["451 later", "550 never", "451 later"]).await;
    let again: Vec<_> = settled.iter().map(|(event, at)| (event.as_str(), at.is_some())).collect();
    let expected =
        [("evt_later", true), ("evt_never", false), ("evt_last", false), ("evt_silly", false)];
    assert_eq!(again, expected);
    assert_eq!(taken.len(), 0);
}
