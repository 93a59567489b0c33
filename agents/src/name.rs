//! Names of programs.

/// Endings of files that an interpreter runs, and of executables that a package names for every system alike.
const ENDINGS: [&[u8]; 5] = [b".exe", b".js", b".mjs", b".cjs", b".py"];

/// By its name, a version behind it included: `python3.12`.
pub(crate) fn is_one_of(names: &[&str], program: &[u8]) -> bool {
    let is_version = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    names.iter().any(|name| file_name(program).strip_prefix(name.as_bytes()).is_some_and(is_version))
}

/// The name of a program, without what only says how it is run.
pub fn without_ending(name: &[u8]) -> &[u8] {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(*ending)).unwrap_or(name)
}

/// The last part of a path.
pub fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}
