//! The command line: what it takes and how it explains itself.

use byok_domain::credential::Environment;
use clap::{Args, Parser, Subcommand};

use crate::config::{Flag, Setting};

/// A proxy for the LLM providers that your customers bring their own keys for.
#[derive(Debug, Parser)]
#[command(name = "byok-server", version, propagate_version = true, after_help = SETTINGS_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: SettingFlags,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const SETTINGS_HELP: &str = "\
Settings come from flags, then from environment variables (BYO_LISTEN, ENCRYPTION_KEY, …),
then from the file named by --config. A setting's name in that file is its variable's name
in lower case without BYO_: listen, encryption_key. A setting that cannot be used ends the
program with exit code 78 and a line for each mistake.";

/// The settings that are also flags.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingFlags {
    /// A TOML file with settings.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<std::path::PathBuf>,

    /// The folder for the database, the journal and what quickstart makes [default: ./byok-data].
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,

    /// The database: sqlite://FILE or postgres://USER@HOST/NAME [default: sqlite://<data dir>/byok.db].
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,

    /// What to log: error, warn, info, debug or trace, or by module [default: info].
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,

    /// How to write the log: text or json [default: text].
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// Where to listen.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ListenFlag {
    /// The address and port to serve on [default: 127.0.0.1:3000].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try it out: make everything that is missing, print the keys once, and serve.
    ///
    /// Makes a data folder with an SQLite database (unless another is set), an encryption key (a file that only you can
    /// read), an admin token and a first project with a secret and a publishable key; prints them
    /// with a ready curl command; then serves. Started again on the same folder, it uses what is
    /// there.
    Quickstart {
        #[command(flatten)]
        listen: ListenFlag,
    },
    /// Serve with the settings given; makes nothing by itself.
    ///
    /// Needs ENCRYPTION_KEY (64 hex characters: `openssl rand -hex 32`). Brings the database to
    /// this version first. SIGTERM stops it: no new connections, running answers are finished for
    /// up to BYO_DRAIN_SECONDS, exit code 0.
    Serve {
        #[command(flatten)]
        listen: ListenFlag,
    },
    /// Bring the database to this version and stop.
    Migrate,
    /// Look after the encryption keys.
    #[command(subcommand)]
    Keyring(KeyringCommand),
    /// Look after the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Make and list projects.
    #[command(subcommand)]
    Projects(ProjectsCommand),
    /// Print what calls are charged: the built-in prices with BYO_MODEL_PRICING laid over them.
    ///
    /// A line for each model and whose price it is (operator: BYO_MODEL_PRICING); with --model
    /// every price of that model, found as a call's is: by its name, then without date and the
    /// like. The prices that a project has set for itself go before these: GET /pricing shows
    /// them.
    Prices {
        /// Only this provider's, as in /openai or /azure-openai.
        #[arg(long, value_name = "PROVIDER")]
        provider: Option<String>,
        /// Only this model's, but all of them.
        #[arg(long, value_name = "MODEL")]
        model: Option<String>,
    },
    /// Check settings, database, encryption keys and journal, and say what is wrong.
    ///
    /// Makes and mends nothing. Exit code 0 when all is well, 1 when something is not.
    Doctor,
}

/// What to do with the encryption keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyringCommand {
    /// Show the ids of the keys, and how many records each one seals.
    Status,
    /// Seal everything under the current key.
    ///
    /// Set ENCRYPTION_KEYS=2:<new key>,1:<old key> on every running server first: the first key
    /// seals, all of them open. Servers keep serving meanwhile. Can be stopped and started again
    /// at any time. When it reports nothing left, the old key can be removed.
    Rotate,
}

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no entry was changed, removed, added or moved.
    ///
    /// Names the first entry that does not fit, and ends with exit code 1.
    Verify,
}

/// What to do with projects.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectsCommand {
    /// Make a project and print its secret and its publishable key, this once.
    Create {
        /// What to call it.
        name: String,
        /// `live`, or `test` for trying out.
        #[arg(long, value_name = "live|test", default_value = "live", value_parser = environment)]
        environment: Environment,
    },
    /// List the projects.
    List,
}

impl Cli {
    /// The settings given as flags.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let listen = match &self.command {
            Command::Quickstart { listen } | Command::Serve { listen } => listen.listen.as_ref(),
            _ => None,
        };
        let settings = &self.settings;
        [
            ("--listen", Setting::LISTEN, listen),
            ("--data-dir", Setting::DATA_DIR, settings.data_dir.as_ref()),
            ("--database-url", Setting::DATABASE_URL, settings.database_url.as_ref()),
            ("--log", Setting::LOG, settings.log.as_ref()),
            ("--log-format", Setting::LOG_FORMAT, settings.log_format.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, setting, value)| Some(Flag { name, setting, value: value?.clone() }))
        .collect()
    }
}

fn environment(text: &str) -> Result<Environment, String> {
    Environment::parse(text).ok_or_else(|| "write live or test".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("byok-server").chain(line.split(' ')))
    }

    #[test]
    fn the_command_line_is_consistent_and_every_command_explains_itself() {
        fn explained(command: &clap::Command) {
            let name = command.get_name();
            assert!(command.get_about().is_some_and(|text| !text.to_string().is_empty()), "{name}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {}", argument.get_id());
            }
            command.get_subcommands().for_each(explained);
        }
        let command = Cli::command();
        command.clone().debug_assert();
        explained(&command);
    }

    #[test]
    fn commands_are_spelled_as_documented() {
        for line in [
            "quickstart",
            "quickstart --data-dir ./here --listen 127.0.0.1:4000 --config byok.toml",
            "serve",
            "--config byok.toml serve --listen [::1]:3000 --log debug --log-format json",
            "migrate --database-url sqlite://./byok.db",
            "keyring status",
            "keyring rotate",
            "audit verify",
            "projects create Acme",
            "projects create Acme --environment test",
            "projects list --data-dir ./here",
            "prices",
            "prices --provider openai --model gpt-5.4",
            "doctor",
        ] {
            assert!(
                parse(line).is_ok(),
                "{line}: {}",
                parse(line).err().map_or(String::new(), |e| e.to_string())
            );
        }
        for line in [
            "start",
            "keyring",
            "projects create",
            "projects create Acme --environment prod",
            "migrate --listen 127.0.0.1:1",
            "serve extra",
            "audit",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn flags_become_settings_wherever_they_stand() {
        let given = |line: &str| {
            let flags = parse(line).expect(line).flags();
            flags.into_iter().map(|f| (f.name, f.value)).collect::<Vec<_>>()
        };
        assert_eq!(
            given("--log debug serve --data-dir ./d --listen 127.0.0.1:1"),
            [
                ("--listen", "127.0.0.1:1".to_owned()),
                ("--data-dir", "./d".to_owned()),
                ("--log", "debug".to_owned())
            ]
        );
        assert_eq!(given("doctor"), []);
    }
}
