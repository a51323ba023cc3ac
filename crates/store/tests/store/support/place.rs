//! Where a test keeps its data: a file or a database that nobody else has.

use std::sync::atomic::{AtomicU32, Ordering};

use byok_store::Database;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The variable with the URL of a PostgreSQL server on which tests may make databases.
const SERVER: &str = "BYOK_TEST_POSTGRES";

/// Runs tests on each database: `mod sqlite` and, for when there is a server, `mod postgres`.
macro_rules! on_each_database {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                super::$test().await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            #[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
            async fn $test() {
                $crate::support::on_postgres(super::$test()).await;
            })+
        }
    };
}
pub(crate) use on_each_database;

tokio::task_local! {
    static POSTGRES: ();
}

/// Runs a test with every [`Place`] in it a PostgreSQL database.
pub(crate) async fn on_postgres(test: impl Future<Output = ()>) {
    POSTGRES.scope((), test).await;
}

/// What both databases say, each in its own words.
pub(crate) fn either<T>(sqlite: T, postgres: T) -> T {
    if is_postgres() { postgres } else { sqlite }
}

fn is_postgres() -> bool {
    POSTGRES.try_with(|()| ()).is_ok()
}

/// A file in a folder of its own, or a database of its own; gone when dropped.
pub(crate) struct Place {
    pub(crate) url: String,
    folder: Option<TempDir>,
}

impl Place {
    /// One that holds nothing.
    pub(crate) async fn new() -> Self {
        if is_postgres() {
            return Self { url: create("template0").await, folder: None };
        }
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("byok.db").display());
        Self { url, folder: Some(folder) }
    }

    /// One with the newest schema.
    pub(crate) async fn migrated() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        if is_postgres() {
            let template = TEMPLATE.get_or_init(|| async {
                let url = create("template0").await;
                let database = Database::open(&url).await.unwrap();
                database.migrate().await.unwrap();
                database.close().await.unwrap();
                name_in(&url).to_owned()
            });
            return Self { url: create(template.await).await, folder: None };
        }
        let place = Self::new().await;
        let database = Database::open(&place.url).await.unwrap();
        database.migrate().await.unwrap();
        place
    }

    /// One connection past the store. In SQLite it makes no file.
    pub(crate) async fn raw(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(1);
        sea_orm::Database::connect(options).await.unwrap()
    }

    /// Everything that is kept: the bytes of the file, with everything that is still in its log,
    /// or the text of all rows.
    pub(crate) async fn content(&self) -> Vec<u8> {
        if let Some(folder) = &self.folder {
            return std::fs::read(folder.path().join("byok.db")).unwrap();
        }
        let raw = self.raw().await;
        let ask = |sql: String| Statement::from_string(DbBackend::Postgres, sql);
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
        let mut content = String::new();
        for table in raw.query_all_raw(ask(tables.to_owned())).await.unwrap() {
            let table: String = table.try_get_by_index(0).unwrap();
            let rows = format!("SELECT t::text FROM \"{table}\" AS t ORDER BY 1");
            for row in raw.query_all_raw(ask(rows)).await.unwrap() {
                content.push_str(&row.try_get_by_index::<String>(0).unwrap());
                content.push('\n');
            }
        }
        raw.close().await.unwrap();
        content.into_bytes()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.folder.is_none() {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", name_in(&self.url));
            // The test's own runtime may be on its way out.
            let dropping = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(on_server(&drop));
            });
            let _ = dropping.join();
        }
    }
}

/// Makes a database; its URL.
async fn create(template: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("byok_{}_{number}", std::process::id());
    on_server(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    let server = server();
    let (start, _) = server.rsplit_once('/').unwrap();
    format!("{start}/{name}")
}

async fn on_server(sql: &str) {
    let connection = sea_orm::Database::connect(server()).await.unwrap();
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
}

fn server() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} names no PostgreSQL server"))
}

fn name_in(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}
