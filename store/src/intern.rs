//! Objects as rows: each is written once and then named by its number.

use crate::cache::Cache;
use crate::{Error, Result};
use bstr::BString;
use event::{Address, Exe, File, FileKey, Host, HostOrigin, Object, Origin};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::net::IpAddr;
use std::path::Path;

/// Memory for objects that are at hand, bytes. Holds some 100,000 files, several times what a session touches.
const OBJECT_BYTES: usize = 32 << 20;

const INSERT_OBJECT: &str = "INSERT INTO object (kind, path, origin, mode, dev, ino, generation, arguments, cut, ip, \
     port, protocol, first, second, third, host, host_origin, host_shared) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

const SELECT_OBJECT: &str = "SELECT kind, path.bytes, origin, mode, dev, ino, generation, arguments.list, cut, ip, \
     port, protocol, first, second, third, host, host_origin, host_shared FROM object \
     LEFT JOIN path ON path.id = object.path LEFT JOIN arguments ON arguments.id = object.arguments \
     WHERE object.id = ?1";

const ORIGINS: [Origin; 3] = [Origin::Trusted, Origin::Claimed, Origin::Unresolved];
const HOST_ORIGINS: [HostOrigin; 3] = [HostOrigin::Claimed, HostOrigin::Answered, HostOrigin::Resolved];

/// Writes objects and remembers their numbers.
pub(crate) struct Interner {
    numbers: Cache<Object, i64>,
}

impl Interner {
    pub(crate) fn new() -> Self {
        Self { numbers: Cache::new(OBJECT_BYTES) }
    }

    /// Forgets every number: after a roll-back, and after objects were removed.
    pub(crate) fn clear(&mut self) {
        self.numbers.clear();
    }

    /// The number of an object, which is written first where it has none.
    pub(crate) fn intern(&mut self, conn: &Connection, object: &Object) -> rusqlite::Result<i64> {
        let bytes = weight(object);
        if let Some(id) = self.numbers.get(object, bytes) {
            return Ok(id);
        }
        let id = insert(conn, object)?;
        self.numbers.insert(object.clone(), id, bytes);
        Ok(id)
    }
}

/// Reads objects and remembers them.
pub(crate) struct Objects {
    objects: Cache<i64, Object>,
}

impl Objects {
    pub(crate) fn new() -> Self {
        Self { objects: Cache::new(OBJECT_BYTES) }
    }

    /// The object with a number.
    pub(crate) fn get(&mut self, conn: &Connection, path: &Path, id: i64) -> Result<Object> {
        // What it weighs is not known before it is read; one that moves between generations counts as a usual one.
        if let Some(object) = self.objects.get(&id, size_of::<Object>() + 64) {
            return Ok(object);
        }
        let object = select(conn, id)
            .map_err(|error| Error::sqlite(path, error))?
            .ok_or_else(|| Error::corrupt(path, format!("object {id} is missing or cannot be read")))?;
        self.objects.insert(id, object.clone(), weight(&object));
        Ok(object)
    }
}

/// Bytes of memory that an object takes, without what the allocator adds.
fn weight(object: &Object) -> usize {
    let args = match object {
        Object::Exe(exe) => exe.args.iter().map(|arg| size_of::<BString>() + arg.len()).sum(),
        Object::Address(Address { host: Some(host), .. }) => host.name.len(),
        _ => 0,
    };
    size_of::<(Object, i64)>() + object.file().map_or(0, |file| file.path.len()) + args
}

/// A row of `object`, as it is written.
#[derive(Default)]
struct Columns {
    kind: i64,
    path: Option<i64>,
    origin: Option<i64>,
    mode: Option<u32>,
    key: Option<FileKey>,
    arguments: Option<i64>,
    cut: Option<bool>,
    ip: Option<Vec<u8>>,
    port: Option<u16>,
    protocol: Option<u16>,
    first: Option<i64>,
    second: Option<i64>,
    third: Option<i64>,
    host: Option<String>,
    host_origin: Option<i64>,
    host_shared: Option<bool>,
}

impl Columns {
    fn of_file(kind: i64, conn: &Connection, file: &File) -> rusqlite::Result<Columns> {
        Ok(Columns {
            kind,
            path: Some(blob(
                conn,
                "INSERT OR IGNORE INTO path (bytes) VALUES (?1)",
                "SELECT id FROM path WHERE bytes = ?1",
                &file.path,
            )?),
            origin: Some(file.origin as i64),
            mode: Some(file.mode),
            key: file.key,
            ..Columns::default()
        })
    }

    fn of_exe(conn: &Connection, exe: &Exe) -> rusqlite::Result<Columns> {
        let list = rmp_serde::to_vec(&exe.args)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let arguments = blob(
            conn,
            "INSERT OR IGNORE INTO arguments (list) VALUES (?1)",
            "SELECT id FROM arguments WHERE list = ?1",
            &list,
        )?;
        let file = Columns::of_file(2, conn, &exe.file)?;
        Ok(Columns { arguments: Some(arguments), cut: Some(exe.args_cut), ..file })
    }

    fn of(conn: &Connection, object: &Object) -> rusqlite::Result<Columns> {
        let plain = |kind, first, second, third| Columns { kind, first, second, third, ..Columns::default() };
        Ok(match object {
            Object::None => plain(0, None, None, None),
            Object::File(file) => Columns::of_file(1, conn, file)?,
            Object::Exe(exe) => Columns::of_exe(conn, exe)?,
            Object::Address(address) => Columns {
                kind: 3,
                ip: Some(match address.ip {
                    IpAddr::V4(ip) => ip.octets().to_vec(),
                    IpAddr::V6(ip) => ip.octets().to_vec(),
                }),
                port: Some(address.port),
                protocol: Some(address.protocol),
                host: address.host.as_ref().map(|host| host.name.clone()),
                host_origin: address.host.as_ref().map(|host| host.origin as i64),
                host_shared: address.host.as_ref().map(|host| host.shared),
                ..Columns::default()
            },
            Object::Unix(file) => Columns::of_file(4, conn, file)?,
            Object::Socket { family, kind } => plain(5, Some((*family).into()), Some((*kind).into()), None),
            Object::Process { pid, inside, detail } => {
                plain(6, Some((*pid).into()), Some((*inside).into()), Some(*detail as i64))
            }
            Object::Interface { first, second } => plain(7, Some(*first as i64), Some(*second as i64), None),
        })
    }
}

fn insert(conn: &Connection, object: &Object) -> rusqlite::Result<i64> {
    let row = Columns::of(conn, object)?;
    conn.prepare_cached(INSERT_OBJECT)?.insert(params![
        row.kind,
        row.path,
        row.origin,
        row.mode,
        row.key.map(|key| key.dev),
        row.key.map(|key| key.ino as i64),
        row.key.map(|key| key.generation),
        row.arguments,
        row.cut,
        row.ip,
        row.port,
        row.protocol,
        row.first,
        row.second,
        row.third,
        row.host,
        row.host_origin,
        row.host_shared,
    ])
}

/// The number of a byte string in a table that holds each once.
fn blob(conn: &Connection, insert: &str, select: &str, bytes: &[u8]) -> rusqlite::Result<i64> {
    if conn.prepare_cached(insert)?.execute([bytes])? == 1 {
        return Ok(conn.last_insert_rowid());
    }
    conn.prepare_cached(select)?.query_row([bytes], |row| row.get(0))
}

/// `None`: there is no such object, or its columns make none.
fn select(conn: &Connection, id: i64) -> rusqlite::Result<Option<Object>> {
    let mut statement = conn.prepare_cached(SELECT_OBJECT)?;
    Ok(statement.query_row([id], read).optional()?.flatten())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<Object>> {
    Ok(match row.get::<_, i64>(0)? {
        0 => Some(Object::None),
        1 => read_file(row)?.map(Object::File),
        2 => read_exe(row)?.map(Object::Exe),
        3 => read_address(row)?.map(Object::Address),
        4 => read_file(row)?.map(Object::Unix),
        5 => Some(Object::Socket { family: row.get(12)?, kind: row.get(13)? }),
        6 => Some(Object::Process {
            pid: row.get(12)?,
            inside: row.get(13)?,
            detail: row.get::<_, i64>(14)? as u64,
        }),
        7 => Some(Object::Interface {
            first: row.get::<_, i64>(12)? as u64,
            second: row.get::<_, i64>(13)? as u64,
        }),
        _ => None,
    })
}

fn read_file(row: &Row<'_>) -> rusqlite::Result<Option<File>> {
    let key = match row.get::<_, Option<u32>>(4)? {
        Some(dev) => Some(FileKey { ino: row.get::<_, i64>(5)? as u64, dev, generation: row.get(6)? }),
        None => None,
    };
    let Some(&origin) = usize::try_from(row.get::<_, i64>(2)?).ok().and_then(|number| ORIGINS.get(number))
    else {
        return Ok(None);
    };
    Ok(Some(File { path: row.get::<_, Vec<u8>>(1)?.into(), key, mode: row.get(3)?, origin }))
}

fn read_exe(row: &Row<'_>) -> rusqlite::Result<Option<Exe>> {
    let args = rmp_serde::from_slice(row.get_ref(7)?.as_blob()?).ok();
    let args_cut = row.get(8)?;
    Ok(read_file(row)?.zip(args).map(|(file, args)| Exe { file, args, args_cut }))
}

fn read_address(row: &Row<'_>) -> rusqlite::Result<Option<Address>> {
    let bytes = row.get_ref(9)?.as_blob()?;
    let ip = match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(bytes), _) => IpAddr::from(bytes),
        (_, Ok(bytes)) => IpAddr::from(bytes),
        _ => return Ok(None),
    };
    let host = match row.get::<_, Option<String>>(15)? {
        Some(name) => {
            let number = usize::try_from(row.get::<_, i64>(16)?).ok();
            let Some(&origin) = number.and_then(|number| HOST_ORIGINS.get(number)) else { return Ok(None) };
            Some(Host { name, origin, shared: row.get(17)? })
        }
        None => None,
    };
    Ok(Some(Address { ip, port: row.get(10)?, protocol: row.get(11)?, host }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_their_numbers() {
        for (number, origin) in ORIGINS.into_iter().enumerate() {
            assert_eq!(origin as usize, number);
        }
        for (number, origin) in HOST_ORIGINS.into_iter().enumerate() {
            assert_eq!(origin as usize, number);
        }
    }
}
