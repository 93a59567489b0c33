//! Connections: what a file must be before it is read or written as a store.
//!
//! A sound file is looked at through SQLite and by its metadata only: a second descriptor on it, once closed, would
//! take away the POSIX locks that other connections of the same process hold (fcntl(2)). One that SQLite refused is
//! opened to read its header.

use crate::schema::{APPLICATION_ID, SCHEMA, TABLES, migrate};
use crate::{Error, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a connection waits for another process's lock: longer than the removal of a session of a million rows.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a store that is empty may be in the making.
const BEING_MADE: Duration = Duration::from_secs(2);

/// A store that its last writer did not close is checked when it is opened for writing, up to this size: the check
/// reads every page, and must not hold up the guard for more than about a second.
const QUICK_CHECK_BYTES: u64 = 64 << 20;

/// Pages of the log at which they are moved into the database: 16 MiB, so that a page that fills up over many
/// batches is moved once.
const CHECKPOINT_PAGES: i64 = 4096;

/// What the log is cut back to, bytes, after a long reader let it grow.
const LOG_BYTES: i64 = 64 << 20;

/// Page cache, KiB, as SQLite counts it (negative): enough for the inner pages of the paths' index.
const CACHE_KIB: i64 = -16 * 1024;

/// How a database begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The smallest page, and so the smallest database that is not empty.
const SMALLEST_BYTES: u64 = 512;

/// Opens or creates a store for writing.
pub(crate) fn write(path: &Path) -> Result<(Connection, PathBuf)> {
    let path = absolute(path)?;
    let path = path.as_path();
    let created = create(path)?;
    if !created {
        require_file(path)?;
    }
    let unclean = is_logged(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = connect(path, flags)?;
    let found = identify(&conn, path)?;
    if !created {
        tighten(path)?;
    }
    prepare_for_writing(&conn, path)?;
    if found < SCHEMA {
        migrate(&mut conn, path).map_err(|error| refine(error, path))?;
    }
    require_tables(&conn, path)?;
    if unclean {
        quick_check(&conn, path)?;
    }
    Ok((conn, path.into()))
}

/// Opens a store for reading.
pub(crate) fn read(path: &Path) -> Result<(Connection, PathBuf)> {
    let path = absolute(path)?;
    let path = path.as_path();
    require_file(path)?;
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let mut found = identify(&conn, path)?;
    // Another process has made the file and not yet what is in it.
    let until = Instant::now() + BEING_MADE;
    while found == 0 && Instant::now() < until {
        sleep(BEING_MADE / 100);
        found = identify(&conn, path)?;
    }
    if found < SCHEMA {
        return Err(Error::Outdated { path: path.into(), found, supported: SCHEMA });
    }
    require_tables(&conn, path)?;
    Ok((conn, path.into()))
}

/// Absolute, so that no name is read as a URI or as SQLite's `:memory:`.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io(path, &error))
}

/// Makes an empty file that only its owner reads; false when there is one already.
fn create(path: &Path) -> Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::NoParent { path: path.into() })
        }
        Err(error) => Err(Error::io(path, &error)),
    }
}

fn require_file(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|error| Error::io(path, &error))?;
    // SQLite takes a file of a few bytes for an empty one.
    if metadata.is_file() && (metadata.len() == 0 || metadata.len() >= SMALLEST_BYTES) {
        return Ok(());
    }
    Err(refine(Error::NotADatabase { path: path.into() }, path))
}

/// Takes away what others than the owner may do with an existing store.
fn tighten(path: &Path) -> Result<()> {
    let mode = fs::metadata(path).map_err(|error| Error::io(path, &error))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!(path = %path.display(), "store was open to others: mode set to 0600");
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| Error::io(path, &error))
}

/// The write-ahead log beside a database.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let open = || -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(48);
        // The file may come from anywhere: nothing in its schema is trusted, and cells are checked as they are read.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        conn.pragma_update(None, "cell_size_check", true)?;
        conn.pragma_update(None, "cache_size", CACHE_KIB)?;
        Ok(conn)
    };
    open().map_err(|error| refine(unopened(path, error), path))
}

/// SQLite says only that it cannot open; the reason is usually a permission.
fn unopened(path: &Path, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::CannotOpen) => Error::Permission {
            path: path.into(),
            detail: "the file or its directory cannot be opened".into(),
        },
        _ => Error::sqlite(path, error),
    }
}

/// The schema number of a store; an error for whatever is no store, or a later one.
fn identify(conn: &Connection, path: &Path) -> Result<i32> {
    let look = || -> rusqlite::Result<(i32, i32, i64, i64)> {
        let application = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok((application, version, tables, pages.saturating_mul(page)))
    };
    let (application_id, found, tables, expected) =
        look().map_err(|error| refine(unopened(path, error), path))?;
    let new = application_id == 0 && found == 0 && tables == 0;
    if application_id != APPLICATION_ID && !new {
        return Err(Error::Foreign { path: path.into(), application_id });
    }
    if found > SCHEMA {
        return Err(Error::Newer { path: path.into(), found, supported: SCHEMA });
    }
    // SQLite overlooks a last page that is there in part. The log first: it is gone only once the file is whole.
    let logged = is_logged(path);
    let size = fs::metadata(path).map_err(|error| Error::io(path, &error))?.len();
    match u64::try_from(expected) {
        Ok(expected) if size < expected && !logged => {
            Err(Error::Truncated { path: path.into(), size, expected })
        }
        _ => Ok(found),
    }
}

/// There is a log that is not empty: what it holds, the file may be short of.
fn is_logged(path: &Path) -> bool {
    fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0)
}

/// Tells a file that was cut off from one that was damaged otherwise.
fn refine(error: Error, path: &Path) -> Error {
    if is_logged(path) || !matches!(error, Error::Corrupt { .. } | Error::NotADatabase { .. }) {
        return error;
    }
    cut_off(path).unwrap_or(error)
}

/// The error for a file that is shorter than its own header says (<https://sqlite.org/fileformat.html#the_database_header>).
fn cut_off(path: &Path) -> Option<Error> {
    let mut header = [0; 32];
    let mut file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let read = file.read(&mut header).ok()?;
    if read < MAGIC.len() || !header.starts_with(MAGIC) {
        return None;
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        bytes => u64::from(bytes).max(SMALLEST_BYTES),
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    let expected = page * u64::from(pages).max(1);
    (size < expected).then(|| Error::Truncated { path: path.into(), size, expected })
}

fn prepare_for_writing(conn: &Connection, path: &Path) -> Result<()> {
    let wrap = |error| Error::sqlite(path, error);
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|error| refine(Error::sqlite(path, error), path))?;
    if mode != "wal" {
        let detail = format!("the file system cannot hold a write-ahead log (journal mode {mode})");
        return Err(Error::Io { path: path.into(), detail });
    }
    // In WAL mode a commit survives the death of the process without a sync; a loss of power may take the last ones.
    conn.pragma_update(None, "synchronous", "NORMAL").map_err(wrap)?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(wrap)?;
    conn.pragma_update(None, "journal_size_limit", LOG_BYTES).map_err(wrap)?;
    conn.pragma_update(None, "foreign_keys", true).map_err(wrap)
}

fn require_tables(conn: &Connection, path: &Path) -> Result<()> {
    let mut statement = conn
        .prepare("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)")
        .map_err(|error| refine(Error::sqlite(path, error), path))?;
    for table in TABLES {
        let found: bool =
            statement.query_row([table], |row| row.get(0)).map_err(|error| Error::sqlite(path, error))?;
        if !found {
            return Err(Error::corrupt(path, format!("table `{table}` is missing")));
        }
    }
    Ok(())
}

fn quick_check(conn: &Connection, path: &Path) -> Result<()> {
    let size = fs::metadata(path).map_err(|error| Error::io(path, &error))?.len();
    if size > QUICK_CHECK_BYTES {
        return Ok(());
    }
    let said: String = conn
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| Error::sqlite(path, error))?;
    if said == "ok" { Ok(()) } else { Err(Error::corrupt(path, said)) }
}
