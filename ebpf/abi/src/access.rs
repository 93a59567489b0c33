//! The bits that say what an operation wants, and what a label refuses.

/// Read the content of a file, or list a directory.
pub const READ: u32 = 1 << 0;
/// Change the content of an existing object.
pub const WRITE: u32 = 1 << 1;
/// Execute it, or map it executable.
pub const EXEC: u32 = 1 << 2;
/// Make a new name: create, mkdir, symlink, link target, rename target.
pub const CREATE: u32 = 1 << 3;
/// Remove a name: unlink, rmdir, rename source.
pub const REMOVE: u32 = 1 << 4;
/// Change mode, owner, times, extended attributes or size.
pub const ATTR: u32 = 1 << 5;
/// Connect or send to it (socket inodes and addresses).
pub const CONNECT: u32 = 1 << 6;
/// Listen for, or accept, connections.
pub const LISTEN: u32 = 1 << 7;
/// Give an existing object another name (the source of a hard link).
pub const LINK: u32 = 1 << 8;
/// Put a mount there, or move one.
pub const MOUNT: u32 = 1 << 9;
/// The object is a directory.
pub const DIR: u32 = 1 << 16;
/// The object was made by this very operation.
pub const NEW: u32 = 1 << 17;
/// The content was cut to nothing.
pub const TRUNC: u32 = 1 << 18;
/// Only a path descriptor (`O_PATH`): no content can be read through it.
pub const PATH_ONLY: u32 = 1 << 19;
/// What gets the name was there before: a rename's target, a mount.
pub const MOVED: u32 = 1 << 20;
/// What gets the name leads elsewhere: a symbolic link.
pub const LINKED: u32 = 1 << 21;
/// What is replaced there is the agent's own, which the static deny-list closes to everybody else.
pub const OWN: u32 = 1 << 22;

/// Every bit that a label can refuse.
pub const ALL: u32 = READ | WRITE | EXEC | CREATE | REMOVE | ATTR | CONNECT | LISTEN | LINK | MOUNT;
/// Every bit that does more than read: what changes, starts or sends.
pub const ACT: u32 = ALL & !READ;
/// Every bit that changes the object or its name.
pub const MODIFY: u32 = WRITE | CREATE | REMOVE | ATTR | LINK | MOUNT;
