//! What the operator does: settings, keys, projects, the audit log.

use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use byok_testkit::fake_provider::FakeProvider;
use serde_json::json;

use crate::support::{
    KEY, Keys, Launch, Scratch, Server, chat, provider, replace_in_database, serving,
};

const GOOD: &str = "fa1bdb2b9266f3d33c9ff0f18051729d35e3fcc30351381ca5e8c51c502e5085";
const OTHER: &str = "3b726cccba9376a33455f31ce4db3467cae1cdf8e490e1ff4005a05b0acfe044";

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `serve` in front of nobody, with this variable set for a key.
fn serve_with(provider: &FakeProvider, variable: &str, value: &str) -> Launch {
    Launch::quickstart(provider).command("serve").with(variable, value)
}

/// Quickstart's folder, served with the keys given.
fn with_keys(server: &Server, keys: &str) -> Launch {
    server.launch.clone().command("serve").with("ENCRYPTION_KEYS", keys)
}

fn key_of(scratch: &Scratch) -> String {
    scratch.text("data/encryption.key").trim().to_owned()
}

#[test]
fn a_key_that_is_none_ends_the_start_with_one_line_that_does_not_show_it() {
    let provider = provider();
    let missing = Launch::quickstart(&provider).command("serve");
    let file = "/nonexistent/canary/key";
    let ring = format!("2:{GOOD},1:{GOOD}");
    let terms = format!("1:{GOOD},1:{OTHER}");
    let cases: Vec<(&str, &str, Launch)> = vec![("nothing", "ENCRYPTION_KEY", missing)]
        .into_iter()
        .chain(
            [
                ("empty", "ENCRYPTION_KEY", String::new()),
                ("63 characters", "ENCRYPTION_KEY", GOOD[..63].to_owned()),
                ("65 characters", "ENCRYPTION_KEY", format!("{GOOD}0")),
                ("no hex", "ENCRYPTION_KEY", format!("g{}", &GOOD[1..])),
                ("spaces", "ENCRYPTION_KEY", format!(" {}", &GOOD[1..])),
                ("zeros", "ENCRYPTION_KEY", "0".repeat(64)),
                ("one byte repeated", "ENCRYPTION_KEY", "ab".repeat(32)),
                ("no file", "ENCRYPTION_KEY_FILE", file.to_owned()),
                ("no term", "ENCRYPTION_KEYS", GOOD.to_owned()),
                ("one key twice", "ENCRYPTION_KEYS", ring),
                ("one term twice", "ENCRYPTION_KEYS", terms),
                ("a bad second key", "ENCRYPTION_KEYS", format!("2:{GOOD},1:{}", &OTHER[1..])),
            ]
            .map(|(name, variable, value)| {
                (name, variable, serve_with(&provider, variable, &value))
            }),
        )
        .collect();
    for (name, variable, launch) in cases {
        let started = Instant::now();
        let output = launch.refused();
        let said = lines(&output);
        assert_eq!(output.status.code(), Some(78), "{name}: {said:?}");
        assert_eq!(said.len(), 1, "{name}: {said:?}");
        assert!(said[0].contains(variable), "{name}: {said:?}");
        for shown in
            [&GOOD[..12], &GOOD[50..], &OTHER[1..12], "000000000000", "abababababab", "canary"]
        {
            assert!(!said[0].contains(shown), "{name}: {said:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(3), "{name}: {:?}", started.elapsed());
        assert!(!launch.scratch().data().join("byok.db").exists(), "{name}: nothing was made");
    }
}

#[test]
fn a_key_that_the_data_was_not_sealed_with_ends_the_start_and_changes_nothing() {
    let (_provider, mut server) = serving();
    assert!(server.stop().success());
    let path = server.launch.scratch().data().join("byok.db");
    let before = std::fs::read(&path).expect("the database");
    for launch in [
        server.launch.clone().command("serve").with("ENCRYPTION_KEY", OTHER),
        server.launch.clone().command("quickstart").with("ENCRYPTION_KEY", OTHER),
        with_keys(&server, &format!("7:{OTHER}")),
    ] {
        let output = launch.refused();
        let said = lines(&output)
            .into_iter()
            .filter(|line| line.starts_with("byok-server:"))
            .collect::<Vec<_>>();
        assert_eq!(output.status.code(), Some(78), "{said:?}");
        assert!(said.len() == 1 && said[0].contains("ENCRYPTION_KEY"), "{said:?}");
        assert!(!said[0].contains(&OTHER[..12]), "{said:?}");
    }
    assert!(std::fs::read(&path).expect("the database") == before, "it was written to");
    // The right key does, whatever number it goes by.
    let right = with_keys(&server, &format!("9:{}", key_of(server.launch.scratch())));
    server.again(right).still_serves("customer");
}

#[test]
fn all_that_is_wrong_with_the_settings_is_told_at_once() {
    let provider = provider();
    let launch = Launch::quickstart(&provider)
        .command("serve")
        .with("ENCRYPTION_KEY", "short-canary")
        .with("BYO_LISTEN", "somewhere-canary")
        .with("BYO_DURABILITY", "maybe-canary")
        .with("BYO_MAX_BODY", "much-canary")
        .with("BYO_LISTN", "x-canary")
        .with("BYO_ADMIN_TOKEN", "canary")
        .with("BYO_MODEL_PRICING", "{\"openai\": {\"m\": {\"input\": -1}}}")
        .with("BYO_ALLOW_PRIVATE_UPSTREAMS", "10.0.0.0/canary");
    let output = launch.refused();
    let said = lines(&output);
    assert_eq!(output.status.code(), Some(78));
    for name in [
        "ENCRYPTION_KEY",
        "BYO_LISTEN",
        "BYO_DURABILITY",
        "BYO_MAX_BODY",
        "BYO_LISTN",
        "BYO_ADMIN_TOKEN",
        "BYO_MODEL_PRICING",
        "BYO_ALLOW_PRIVATE_UPSTREAMS",
    ] {
        assert!(said.iter().any(|line| line.contains(name)), "{name}: {said:?}");
    }
    assert!(!said.join("\n").contains("canary"), "{said:?}");
    assert!(said.iter().any(|line| line.contains("did you mean BYO_LISTEN")), "{said:?}");
}

#[test]
fn projects_made_at_the_command_line_work_on_the_running_server() {
    let (provider, server) = serving();
    let key = key_of(server.launch.scratch());
    let launch = server.launch.clone().with("ENCRYPTION_KEY", key);
    let output = launch.run(&["projects", "create", "Second", "--environment", "test"]);
    assert!(output.status.success(), "{:?}", lines(&output));
    let keys = Keys::printed(&printed(&output)).expect("the keys are printed");
    assert!(
        keys.secret.starts_with("byo_sk_test_") && keys.publishable.starts_with("byo_pk_test_")
    );
    let connect = json!({"provider": "openai", "refId": "customer", "providerKey": KEY});
    server.post("/keys/connect").key(&keys.secret).json(&connect).send().answered();
    provider.take_requests();
    server.chat("customer", &chat()).key(&keys.secret).send().answered();
    assert_eq!(provider.requests().len(), 1);
    let listed = printed(&launch.run(&["projects", "list"]));
    assert!(listed.contains(&keys.project) && listed.contains(&server.keys.project), "{listed}");
    assert!(!listed.contains("byo_sk_"), "{listed}");
    for name in ["", " ", "a\nb", &"x".repeat(300)] {
        let output = launch.run(&["projects", "create", name]);
        assert_eq!(output.status.code(), Some(1), "{name:.10}");
    }
}

#[test]
fn the_schema_is_brought_up_by_hand_and_the_doctor_finds_all_well() {
    let provider = provider();
    let launch = Launch::quickstart(&provider).with("ENCRYPTION_KEY", GOOD);
    let before = launch.run(&["doctor"]);
    assert_eq!(before.status.code(), Some(1), "{}", printed(&before));
    assert!(printed(&before).contains("byok-server migrate"), "{}", printed(&before));
    assert!(launch.without_key().run(&["migrate"]).status.success(), "no key is needed for that");
    assert!(launch.run(&["migrate"]).status.success(), "a second time changes nothing");
    let fresh = launch.run(&["doctor"]);
    assert!(fresh.status.success(), "{} {:?}", printed(&fresh), lines(&fresh));
    let mut server = launch.clone().command("serve").start();
    assert!(server.stop().success());
    let after = launch.run(&["doctor"]);
    assert!(after.status.success(), "{} {:?}", printed(&after), lines(&after));
    assert!(!printed(&after).contains("WRONG") && !printed(&after).contains(&GOOD[..12]));
    let wrong = launch.with("ENCRYPTION_KEY", OTHER).run(&["doctor"]);
    assert_eq!(wrong.status.code(), Some(1), "{}", printed(&wrong));
    assert!(printed(&wrong).contains("WRONG"), "{}", printed(&wrong));
}

#[test]
fn the_key_is_changed_while_the_server_serves_and_the_old_one_is_needed_no_more() {
    let (provider, mut server) = serving();
    for number in 0..20 {
        let body = json!({"name": format!("Project {number}")});
        let made = server.post("/projects").key(&server.keys.admin).json(&body).send();
        assert_eq!(made.status / 100, 2, "{}", made.text());
    }
    assert!(server.stop().success());
    let old = key_of(server.launch.scratch());
    let both = with_keys(&server, &format!("2:{OTHER},1:{old}"));
    let mut server = server.again(both.clone());

    let (stop, served) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    server.chat("customer", &chat()).send().answered();
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Killed in the middle, wherever that is, it is begun again.
        for pause in [30, 60, 120] {
            let mut child = both
                .process(&["keyring", "rotate"])
                .stdout(Stdio::null())
                .spawn()
                .expect("the binary runs");
            std::thread::sleep(Duration::from_millis(pause));
            // It may be over already.
            let _ = child.kill();
            child.wait().expect("a child");
        }
        let output = both.run(&["keyring", "rotate"]);
        assert!(output.status.success(), "{:?}", lines(&output));
        assert!(printed(&output).contains("older keys can be removed"), "{}", printed(&output));
        let so_far = served.load(Ordering::Relaxed);
        crate::support::soon(Duration::from_secs(5), || {
            served.load(Ordering::Relaxed) > so_far + 5
        });
        stop.store(true, Ordering::Relaxed);
    });
    assert!(served.load(Ordering::Relaxed) > 10);
    let status = printed(&both.run(&["keyring", "status"]));
    let uses = |role: &str| {
        let line =
            status.lines().find(|line| line.contains(role)).unwrap_or_else(|| panic!("{status}"));
        line.split_whitespace()
            .skip(2)
            .map(|n| n.parse::<u32>().expect("a count"))
            .collect::<Vec<_>>()
    };
    assert_eq!(uses(" opens "), [0, 0], "{status}");
    assert_eq!(uses(" current ")[0], 21, "{status}");
    assert!(!status.contains(&old[..12]) && !status.contains(&OTHER[..12]), "{status}");

    assert!(server.stop().success());
    let server = server.again(with_keys(&server, &format!("2:{OTHER}")));
    provider.take_requests();
    server.still_serves("customer");
    assert_eq!(provider.requests()[0].bearer(), Some(KEY));
    let audit = server.get("/audit-logs?action=keyring.rotated").send();
    assert_eq!(audit.status, 200);
    let output = server.launch.run(&["audit", "verify"]);
    assert!(output.status.success(), "{}", printed(&output));
    let alone = with_keys(&server, &format!("1:{old}"));
    assert_eq!(alone.run(&["keyring", "status"]).status.code(), Some(78));
}

#[test]
fn an_audit_entry_changed_in_the_file_is_found_and_named() {
    let (_provider, mut server) = serving();
    for name in ["first", "second", "third"] {
        server.connect(name, KEY);
    }
    assert!(server.stop().success());
    let launch = server.launch.clone().with("ENCRYPTION_KEY", key_of(server.launch.scratch()));
    let verify = || launch.run(&["audit", "verify"]);
    let output = verify();
    assert!(output.status.success(), "{} {:?}", printed(&output), lines(&output));
    assert!(printed(&output).contains(" entries are in order"), "{}", printed(&output));
    // Entries so far: the project, its two keys, then customer, first, second and third.
    let scratch = server.launch.scratch();
    assert_eq!(replace_in_database(scratch, "\"refId\":\"second\"", "\"refId\":\"sekond\""), 1);
    let output = verify();
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(
        printed(&output).contains("Entry 6 is not in order: the entry was changed"),
        "{}",
        printed(&output)
    );
    let doctor = launch.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(printed(&doctor).contains("WRONG  audit log"), "{}", printed(&doctor));
    assert_eq!(replace_in_database(scratch, "\"refId\":\"sekond\"", "\"refId\":\"second\""), 1);
    assert!(verify().status.success(), "put back, it is in order again");
}

#[test]
fn commands_that_look_at_a_database_make_none() {
    let provider = provider();
    let launch = serve_with(&provider, "ENCRYPTION_KEY", GOOD);
    let all = [
        &["audit", "verify"][..],
        &["projects", "list"],
        &["keyring", "status"],
        &["keyring", "rotate"],
    ];
    for command in all {
        let output = launch.run(command);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {}", printed(&output));
        let said = lines(&output).join("\n");
        assert!(said.contains("there is no database") && said.contains("--data-dir"), "{said}");
        assert!(!launch.scratch().data().exists(), "{command:?}");
    }
    // A file without anything in it is none either.
    std::fs::create_dir(launch.scratch().data()).expect("a folder");
    std::fs::write(launch.scratch().path("data/byok.db"), "").expect("a file");
    let output = launch.run(&["audit", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(lines(&output).join("\n").contains("the database is empty"), "{:?}", lines(&output));
}
